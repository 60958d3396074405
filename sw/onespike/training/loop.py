"""The loop over training steps: plainly on a CPU, as one replayed CUDA graph on a GPU."""

import math

import torch

from .feed import steps_of

EAGER = 3
"""Steps that run one by one before a graph is recorded: libraries choose their algorithms in them."""


def one_cycle(step, steps, peak, warm_up):
    """Learning rate of ``step``: linear up to ``peak`` in the share ``warm_up`` of ``steps``, then a half cosine to 0."""
    rise = max(1, int(warm_up * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Loop:
    """Steps of AdamW.

    ``loss_of(draw)`` -> (loss, number of right answers), both on the device; ``draw`` as ``Feed.draw`` gives
    it, one step. ``changed`` must be called when the network computes something else than before.
    """

    def __init__(self, net, loss_of, rate, weight_decay, device, clip=5.0):
        self.parameters, self.loss_of, self.clip = list(net.parameters()), loss_of, clip
        self.gpu = device == "cuda"
        # A recorded step reads its rate from memory.
        start = torch.tensor(rate, device=device) if self.gpu else rate
        self.optimizer = torch.optim.AdamW(self.parameters, start, weight_decay=weight_decay, fused=self.gpu, capturable=self.gpu)
        # What a recorded step adds to stays where it is.
        self.loss_sum = torch.zeros((), device=device)
        self.right = torch.zeros((), dtype=torch.long, device=device)
        self.changed()

    def resume(self, state):
        """Go on with the optimiser's ``state_dict``, of a loop on this kind of device or on another."""
        own = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["state"], "param_groups": own})

    def changed(self):
        """Forget the recorded step."""
        self.graph, self.done, self.given = None, 0, {}

    def epoch(self, draws, rates, after=None):
        """One epoch; ``rates`` of the steps; ``after(step, loss sum)``. Returns (mean loss, number of right answers)."""
        self.loss_sum.zero_()
        self.right.zero_()
        for step, (rate, draw) in enumerate(zip(rates, steps_of(draws), strict=True)):
            self._set_rate(rate)
            self._one(draw)
            if after is not None:
                after(step + 1, self.loss_sum)
        return self.loss_sum.item() / len(rates), self.right.item()

    def _set_rate(self, rate):
        for group in self.optimizer.param_groups:
            if self.gpu:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _one(self, draw):
        if not self.gpu:
            self._step(draw)
            return
        if not self.given:
            self.given = {name: value.clone() for name, value in draw.items()}
        for name, value in draw.items():
            self.given[name].copy_(value)
        if self.done < EAGER:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._step(self.given)
            torch.cuda.current_stream().wait_stream(side)
        else:
            if self.graph is None:
                self.optimizer.zero_grad(set_to_none=True)
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph):
                    self._step(self.given)
            self.graph.replay()
        self.done += 1

    def _step(self, draw):
        self.optimizer.zero_grad(set_to_none=True)
        loss, right = self.loss_of(draw)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.loss_sum += loss.detach()
        self.right += right
