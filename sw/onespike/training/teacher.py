"""The float network that a small one learns from: a residual net of nine convolutions."""

import torch
import torch.nn.functional as F
from torch import nn


def _conv(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), _conv(channels, channels))

    def forward(self, x):
        return x + self.body(x)


class Teacher(nn.Module):
    """Logits (batch, classes) of images uint8 (batch, C, H, W); sides of at least 16 pixels."""

    def __init__(self, channels, classes, width=64):
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, width),
            _conv(width, 2 * width),
            nn.MaxPool2d(2),
            _Residual(2 * width),
            _conv(2 * width, 4 * width),
            nn.MaxPool2d(2),
            _Residual(4 * width),
            _conv(4 * width, 8 * width),
            nn.MaxPool2d(2),
            _Residual(8 * width),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(8 * width, classes)

    def forward(self, images):
        x = (images.float() - 120) / 64
        return 0.125 * self.head(self.body(x.contiguous(memory_format=torch.channels_last)))


def distillation(logits, taught, temperature):
    """Cross entropy between the teacher's and the network's softened outputs (Hinton et al. 2015)."""
    target = F.softmax(taught / temperature, 1)
    return -(target * F.log_softmax(logits / temperature, 1)).sum(1).mean() * temperature**2
