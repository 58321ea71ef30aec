# SPDX-License-Identifier: Apache-2.0
"""Which cell answers for which face, and what a wrong answer costs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cad.training.face_net.net import STRIDES, decode

#: Face sizes (root of the box area, px) that a stride answers for; neighbours overlap so that none is missed.
SIZE_RANGES = ((6.0, 46.0), (34.0, 116.0), (84.0, 2000.0))
#: Cells this near to the face's centre, in strides, answer for it.
CENTRE_RADIUS = 1.3


def face_loss(heads: list[Tensor], faces: list[Tensor], ignores: list[Tensor]) -> dict[str, Tensor]:
    """Return the parts of the loss of a batch.

    Args:
        heads: Head maps of ``FaceNet.raw``.
        faces: One (faces, 14) tensor a picture: box 4, points 10.
        ignores: One (boxes, 4) tensor a picture: neither face nor background.
    """
    known, unknown = _padded(faces, 14), _padded(ignores, 4)
    score, box, point, positives = heads[0].new_zeros(()), heads[0].new_zeros(()), heads[0].new_zeros(()), 0
    for head, stride, sizes in zip(heads, STRIDES, SIZE_RANGES, strict=True):
        logits, boxes, points = decode(head, stride)
        owner, weight = _assign(_cells(head, stride), known, unknown, stride, sizes)
        chosen = owner >= 0
        target = torch.zeros_like(logits)
        if chosen.any():
            wanted = known[chosen.nonzero()[:, 0], owner[chosen]]
            overlap = _giou(boxes[chosen], wanted[:, :4])
            target[chosen] = overlap.detach().clamp(0.3, 1.0)
            size = (wanted[:, 2:4] - wanted[:, :2]).prod(dim=1).sqrt()
            miss = (points[chosen] - wanted[:, 4:].reshape(-1, 5, 2)) / size[:, None, None]
            box = box + (1 - overlap).sum()
            point = point + functional.smooth_l1_loss(miss, torch.zeros_like(miss), beta=0.02, reduction="sum") / 10
            positives += int(chosen.sum())
        score = score + _quality_focal(logits, target, weight)
    count = max(positives, 1)
    return {"score": score / count, "box": 1.5 * box / count, "point": 12.0 * point / count}


def _padded(rows: list[Tensor], columns: int) -> Tensor:
    """Return (batch, most, columns); what a picture lacks is a box of no size far away."""
    most = max((len(one) for one in rows), default=0)
    full = torch.full((len(rows), max(most, 1), columns), -1e6)
    for b, one in enumerate(rows):
        full[b, : len(one)] = one
    return full


def _cells(head: Tensor, stride: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(head.shape[2]), torch.arange(head.shape[3]), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2).float() * stride


def _assign(
    cells: Tensor, faces: Tensor, ignores: Tensor, stride: int, sizes: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Return (batch, cells) the index of each cell's face, or -1, and its weight in the score loss, 0 if ignored."""
    inside = (cells[None, :, None] >= ignores[:, None, :, :2]) & (cells[None, :, None] <= ignores[:, None, :, 2:])
    weight = (~inside.all(dim=-1).any(dim=-1)).float()
    size = (faces[..., 2:4] - faces[..., :2]).clamp(min=0).prod(dim=-1).sqrt()
    centre = (faces[..., :2] + faces[..., 2:4]) / 2
    far = (cells[None, :, None] - centre[:, None]).abs().amax(dim=-1)
    # The nearest cell answers even if the face's centre lies in a corner between cells or outside the picture.
    near = (far <= CENTRE_RADIUS * stride) | (far == far.amin(dim=1, keepdim=True))
    # Just out of this level's sizes: another level answers, and this one is not told off for trying.
    tolerated = (size > sizes[0] * 0.75) & (size < sizes[1] * 1.33)
    mine = (size >= sizes[0]) & (size <= sizes[1])
    weight[(near & (tolerated & ~mine)[:, None]).any(dim=-1)] = 0
    best, which = torch.where(near & mine[:, None], far, torch.inf).min(dim=-1)
    taken = torch.isfinite(best)
    weight[taken] = 1
    return torch.where(taken, which, -1), weight


def _quality_focal(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Focal loss for a soft target. Source: Li et al., arXiv 2006.04388, equation 6, beta 2."""
    plain = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (plain * (target - torch.sigmoid(logits)).abs().pow(2) * weight).sum()


def _giou(a: Tensor, b: Tensor) -> Tensor:
    """Source: Rezatofighi et al., arXiv 1902.09630."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=-1) + (b[:, 2:] - b[:, :2]).prod(dim=-1) - shared
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
