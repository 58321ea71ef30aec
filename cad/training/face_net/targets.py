# SPDX-License-Identifier: Apache-2.0
"""The loss of the face net: which cell answers for which face, and what a wrong answer costs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import generalized_box_iou_loss  # type: ignore[import-untyped]

from cad.training.face_net.net import STRIDES, cell_places, decode

#: Face sizes (root of the box area, px) that a stride answers for; neighbours overlap so that none is missed.
SIZE_RANGES = ((6.0, 46.0), (34.0, 116.0), (84.0, 2000.0))
#: Cells this near to the face's centre, in strides, answer for it.
CENTRE_RADIUS = 1.3


def face_loss(heads: list[Tensor], faces: list[Tensor], ignores: list[Tensor]) -> dict[str, Tensor]:
    """Return the parts of the loss of a batch; that of the boxes is the generalised IoU (arXiv 1902.09630).

    Args:
        heads: Head maps of ``FaceNet.raw``.
        faces: One (faces, 14) tensor a picture: box 4, points 10.
        ignores: One (boxes, 4) tensor a picture: what is neither face nor background.
    """
    known, unknown = _padded(faces), _padded(ignores)
    score, box, point, positives = heads[0].new_zeros(()), heads[0].new_zeros(()), heads[0].new_zeros(()), 0
    for head, stride, sizes in zip(heads, STRIDES, SIZE_RANGES, strict=True):
        logits, boxes, points = decode(head, stride)
        owner, weight = _assign(cell_places(head, stride), known, unknown, stride, sizes)
        chosen = owner >= 0
        target = torch.zeros_like(logits)
        if chosen.any():
            wanted = known[chosen.nonzero()[:, 0], owner[chosen]]
            apart = generalized_box_iou_loss(boxes[chosen], wanted[:, :4])
            target[chosen] = (1 - apart.detach()).clamp(0.3, 1.0)
            size = (wanted[:, 2:4] - wanted[:, :2]).prod(dim=1).sqrt()
            miss = (points[chosen] - wanted[:, 4:].reshape(-1, 5, 2)) / size[:, None, None]
            box = box + apart.sum()
            point = point + functional.smooth_l1_loss(miss, torch.zeros_like(miss), beta=0.02, reduction="sum") / 10
            positives += int(chosen.sum())
        score = score + _quality_focal(logits, target, weight)
    count = max(positives, 1)
    return {"score": score / count, "box": 1.5 * box / count, "point": 12.0 * point / count}


def _padded(rows: list[Tensor]) -> Tensor:
    """Return (batch, most + 1, columns); the rows that a picture lacks are boxes of no size, far away."""
    with_one_more = [functional.pad(one, (0, 0, 0, 1), value=-1e6) for one in rows]
    return pad_sequence(with_one_more, batch_first=True, padding_value=-1e6)


def _assign(
    cells: Tensor, faces: Tensor, ignores: Tensor, stride: int, sizes: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Return the index (batch, cells) of each cell's face, or -1, and its weight in the score loss, 0 if ignored."""
    inside = (cells[None, :, None] >= ignores[:, None, :, :2]) & (cells[None, :, None] <= ignores[:, None, :, 2:])
    weight = (~inside.all(dim=-1).any(dim=-1)).float()
    size = (faces[..., 2:4] - faces[..., :2]).clamp(min=0).prod(dim=-1).sqrt()
    centre = (faces[..., :2] + faces[..., 2:4]) / 2
    far = (cells[None, :, None] - centre[:, None]).abs().amax(dim=-1)
    # The nearest cell answers even if the face's centre lies in a corner between cells or outside the picture.
    near = (far <= CENTRE_RADIUS * stride) | (far == far.amin(dim=1, keepdim=True))
    # A size just outside of this level's range is answered by another level; here the same answer is no error.
    tolerated = (size > sizes[0] * 0.75) & (size < sizes[1] * 1.33)
    mine = (size >= sizes[0]) & (size <= sizes[1])
    weight[(near & (tolerated & ~mine)[:, None]).any(dim=-1)] = 0
    best, which = torch.where(near & mine[:, None], far, torch.inf).min(dim=-1)
    taken = torch.isfinite(best)
    weight[taken] = 1
    return torch.where(taken, which, -1), weight


def _quality_focal(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the focal loss for a soft target. Source: Li et al., arXiv 2006.04388, equation 6, beta 2."""
    plain = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (plain * (target - torch.sigmoid(logits)).abs().pow(2) * weight).sum()
