# SPDX-License-Identifier: Apache-2.0
"""rows_with gives networks the encoding of those rows alone that have a stream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def rows_with(present: Tensor, encode: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> tuple[Tensor, ...]:
    """Encode only the rows that have the stream; the others get zeros.

    Rows without picture would cost as much as the others and put grey images into the batch statistics. Where no row
    has the stream, one is encoded to learn the shapes, and counts for nothing. An exported graph encodes every row,
    since the choice depends on the data.
    """
    if torch.compiler.is_exporting() or torch.compiler.is_compiling():
        return encode(*inputs)
    rows = (present.amax(1) > 0).nonzero().squeeze(1)
    if len(rows) == len(present):
        return encode(*inputs)
    counts = float(len(rows) > 0)
    if not len(rows):
        rows = rows.new_zeros(1)
    encoded = encode(*(value[rows] for value in inputs))
    return tuple(
        torch.zeros(len(present), *value.shape[1:], dtype=value.dtype, device=value.device).index_copy(
            0, rows, value * counts
        )
        for value in encoded
    )
