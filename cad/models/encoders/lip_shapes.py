# SPDX-License-Identifier: Apache-2.0
"""LipShapes tells alignment where the lips are and how they move, learnt from a face mesh, not only from synchrony."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cad.models.encoders.interfaces import LipEncoder
from cad.models.encoders.lips import LipNet
from cad.models.masks import masked_mean

#: Outer and inner contour of the lips, chin and nose tip, as tools/data/label_lips.py labels them.
LIP_POINT_COUNT = 46
#: Shapes are in units of this many pixels of the 160 px crop.
SHAPE_UNIT_PX = 10.0
#: A frame's step is about a third of the deviation of the shape itself.
_MOTION_GAIN = 3.0


class LipShapes(LipEncoder):
    """The contour of the lips in every frame, without its mean over the window, and its motion.

    A few hundred talking faces are too few to learn lips from synchrony. As places of 46 points they are learnt from
    every frame that a face mesh can label (cad.training.lip_distillation). Without the window's mean shape little of
    the person is left, so that alignment learns speech and not faces.

    Args:
        net_width: Features between the picture net and the shape.
    """

    def __init__(self, net_width: int = 128) -> None:
        super().__init__()
        self.net = LipNet(width=net_width, temporal_blocks=1)
        self.shape = nn.Linear(net_width, 2 * LIP_POINT_COUNT)
        self.width = 4 * LIP_POINT_COUNT

    def places(self, frames: Tensor, frames_present: Tensor) -> Tensor:
        """Return (batch, time, 92): x and y of each point from the mouth's standard centre, in SHAPE_UNIT_PX."""
        places: Tensor = self.shape(self.net(frames, frames_present))
        return places

    def forward(self, frames: Tensor, frames_present: Tensor) -> Tensor:
        """Encode (see LipEncoder): (batch, time, 184) shape without its mean, then motion; zeros where absent."""
        places = self.places(frames, frames_present)
        shape = (places - masked_mean(places, frames_present).unsqueeze(1)) * frames_present.unsqueeze(-1)
        motion = torch.cat([torch.zeros_like(shape[:, :1]), shape[:, 1:] - shape[:, :-1]], dim=1)
        both = torch.cat([frames_present[:, :1] * 0.0, frames_present[:, 1:] * frames_present[:, :-1]], dim=1)
        return torch.cat([shape, motion * both.unsqueeze(-1) * _MOTION_GAIN], dim=-1)
