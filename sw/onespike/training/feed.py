"""Training images on the device: drawn, shifted, mirrored and patched there."""

import torch
import torch.nn.functional as F

from ..errors import ModelError


class Feed:
    """The images of a run and what is drawn from them.

    ``sources`` uint8 (1 or 2, n, C, H, W): the images and another copy of them, which is taken with probability
    ``chance``; ``labels`` int64 (n,); ``mirror`` probability; ``shift`` in pixels; ``mix`` probability that an image is
    blended with another of its batch, which has up to half of the weight (mixup, Zhang et al. 2018).
    """

    def __init__(self, sources, labels, chance, mirror, shift, device, mix=0.0):
        self.sources, self.labels = sources.to(device), labels.to(device)
        self.chance, self.mirror, self.shift, self.device, self.mix = chance, mirror, shift, device, mix
        self.rows, self.columns = (torch.arange(n, device=device) for n in sources.shape[-2:])

    def draw(self, count, batch, seed):
        """One epoch's draws, each a tensor (steps, batch): image, source, shifts, mirror, the other image's weight.

        Raises ``ModelError`` where ``count`` images are less than one batch.
        """
        if batch > count:
            raise ModelError(f"recipe: batch must be at most the {count} training images, not {batch}; give another value")
        generator = torch.Generator().manual_seed(seed)
        steps = count // batch
        draws = {
            "index": torch.randperm(count, generator=generator)[: steps * batch],
            "source": (torch.rand(steps * batch, generator=generator) < self.chance).long(),
            "mirror": torch.rand(steps * batch, generator=generator) < self.mirror,
        }
        for axis in ("down", "right"):
            draws[axis] = torch.randint(-self.shift, self.shift + 1, (steps * batch,), generator=generator)
        if self.mix:
            mixed = torch.rand(steps * batch, generator=generator) < self.mix
            draws["other"] = mixed * torch.rand(steps * batch, generator=generator) / 2
        return {name: value.view(steps, batch).to(self.device) for name, value in draws.items()}

    def images(self, draw):
        """uint8 (batch, C, H, W), in channels-last order: shifted (edges filled with black), mirrored, blended."""
        height, width = len(self.rows), len(self.columns)
        rows = self.rows + draw["down"][:, None]
        columns = torch.where(draw["mirror"][:, None], self.columns.flip(0), self.columns) + draw["right"][:, None]
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        taken = self.sources[
            draw["source"][:, None, None],
            draw["index"][:, None, None],
            :,
            rows.clamp(0, height - 1)[:, :, None],
            columns.clamp(0, width - 1)[:, None, :],
        ]
        images = taken * inside[..., None]
        if self.mix:
            images = torch.lerp(images.float(), images.flip(0).float(), draw["other"][:, None, None, None]).round().byte()
        return images.permute(0, 3, 1, 2)

    def cross_entropy(self, logits, draw, smoothing):
        """(mean loss, number of right answers) of ``logits`` (batch, classes); a blended image has both of its labels."""
        labels = self.labels[draw["index"]]
        right = (logits.detach().argmax(1) == labels).sum()
        if not self.mix:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing), right
        own, others = (F.cross_entropy(logits, y, label_smoothing=smoothing, reduction="none") for y in (labels, labels.flip(0)))
        return torch.lerp(own, others, draw["other"]).mean(), right


def steps_of(draws):
    """The draws of one step after the other."""
    for values in zip(*draws.values(), strict=True):
        yield dict(zip(draws, values, strict=True))


def arrange(images, spec):
    """``onespike.images.arrange`` on the device, as floats; Bernoulli draws are new in every step."""
    n, c, h, w = images.shape
    if spec.encoding != "planes":
        limit = 127 if spec.encoding == "threshold" else torch.randint(0, 255, images.shape, device=images.device)
        images = (images > limit) * 255
    p = spec.patch
    split = images.reshape(n, c, h // p, p, w // p, p).permute(0, 3, 5, 1, 2, 4)
    patched = split.reshape(n, p * p * c, h // p, w // p).float()
    return patched if spec.steps == 1 else patched.repeat(1, 1, 2, 2)
