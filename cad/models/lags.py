# SPDX-License-Identifier: Apache-2.0
"""lag_profile gives the alignment head the similarity of lips and sound at each lag, without a loop over lags."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cad.clock import FRAME_RATE_HZ

#: The softmax behind the offset is this much sharper than that of the contrast.
_SHARPNESS = 4.0


def diagonals(matrix: Tensor, lag_slots: int) -> Tensor:
    """Return the entries around the main diagonal: ``out[:, t, lag_slots + lag] = matrix[:, t, t + lag]``.

    Entries outside the matrix are 0.

    Args:
        matrix: (batch, time, time).
        lag_slots: Largest lag.

    Returns:
        (batch, time, 2 * lag_slots + 1).
    """
    batch, steps, _ = matrix.shape
    padded = F.pad(matrix, (lag_slots, lag_slots))
    rows = torch.arange(steps, device=matrix.device).unsqueeze(1)
    lags = torch.arange(2 * lag_slots + 1, device=matrix.device).unsqueeze(0)
    return padded.gather(2, (rows + lags).unsqueeze(0).expand(batch, -1, -1))


def lag_profile(similarity: Tensor, both_present: Tensor, lag_slots: int) -> tuple[Tensor, Tensor]:
    """Return the mean similarity at each lag over the slots where lips and the later sound both exist.

    Only real overlap counts: nothing is rolled around or padded, since a border would give the position away.

    Args:
        similarity: (batch, time, time) cosine between the lips of slot i and the sound of slot j.
        both_present: (batch, time, time) 1 where both exist.
        lag_slots: Largest lag.

    Returns:
        Mean (batch, lags) and number of slots behind it (batch, lags); the mean is 0 where the number is 0.
    """
    total = diagonals(similarity * both_present, lag_slots).sum(1)
    count = diagonals(both_present, lag_slots).sum(1)
    return total / count.clamp(min=1.0), count


def expected_offset_seconds(similarity: Tensor, overlap: Tensor, scale: Tensor) -> Tensor:
    """Return by how much the sound lags behind the lips: the mean lag under a sharp softmax of the similarity.

    The floor of the profile would draw a soft one to zero. The lag of the peak itself would jump with rounding errors
    where there is no peak, as in silence.

    Args:
        similarity: (batch, lags).
        overlap: (batch, lags) number of slots behind each; lags without any do not count.
        scale: () inverse temperature.

    Returns:
        (batch,) seconds, 0 where nothing overlaps.
    """
    lag_slots = similarity.shape[1] // 2
    has = (overlap > 0).to(similarity.dtype)
    lags = torch.arange(-lag_slots, lag_slots + 1, device=similarity.device, dtype=similarity.dtype)
    logits = similarity * scale * _SHARPNESS + (1.0 - has) * -1e4
    weights = torch.softmax(logits, dim=-1) * has
    return (weights * lags).sum(-1) * (1.0 / FRAME_RATE_HZ)
