# SPDX-License-Identifier: Apache-2.0
"""``PairPool`` keeps pairs of crops that were made once, for fits that learn faster than crops are made.

A GPU takes thousands of crops a second, several processors make them, and fits that differ in what they leave out can
share what was made.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cad.errors import DataError
from cad.training.loader import worker_options
from cad.training.picture_batches import CropBatch, PictureBatches

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 15.0


@dataclass(frozen=True, slots=True)
class PairPool:
    """Pairs of a genuine and a forged crop.

    Attributes:
        crops: uint8 (pairs, 2, 160, 160, 3), genuine and forged.
        source: int64 (pairs, 2) numbers of their sources, in ``names``.
        names: Of the sources.
    """

    crops: Tensor
    source: NDArray[np.int64]
    names: tuple[str, ...]

    def without(self, sources: Collection[str]) -> NDArray[np.int64]:
        """Return the numbers of the pairs in which no crop is of ``sources``.

        The other face of a face swap is not looked at: a genuine face of a source that is left out can be part of a
        forged crop, which makes it harder to judge later, not easier.
        """
        out = np.array([name in sources for name in self.names], bool)
        return np.flatnonzero(~out[self.source].any(1))


def make_pool(batches: PictureBatches, pairs: int, workers: int, device: torch.device) -> PairPool:
    """Return at least ``pairs`` pairs from the first batches."""
    count = -(-pairs // batches.pairs)
    loader: DataLoader[CropBatch] = DataLoader(
        batches, sampler=range(count), batch_size=None, **worker_options(workers)
    )
    crops, sources, said_at, began = [], [], time.monotonic(), time.monotonic()
    numbers: dict[str, int] = {}
    for batch in loader:
        crops.append(batch.crops.unflatten(0, (-1, 2)).to(device))
        sources.append([numbers.setdefault(name, len(numbers)) for name in batch.source_names])
        if time.monotonic() - said_at > _SECONDS_BETWEEN_LINES:
            said_at = time.monotonic()
            _log.info("%d of %d pairs of crops made", len(crops) * batches.pairs, count * batches.pairs)
    _log.info("%d pairs of crops in %.0f s", count * batches.pairs, time.monotonic() - began)
    return PairPool(torch.cat(crops), np.array(sources, np.int64).reshape(-1, 2), tuple(numbers))


class PoolBatches(Dataset[CropBatch]):
    """Batches by number from a pool; batch n depends on the seed and n alone.

    Every second crop is mirrored, drawn anew each time that a pair is shown.

    Args:
        pool: Gives the pairs, when the first batch is asked for: a fit that is finished needs none.
        left_out: Sources that are not shown.
        size: Crops in a batch, even.
        seed: Of the draws.
    """

    def __init__(self, pool: Callable[[], PairPool], left_out: Collection[str], size: int, seed: int) -> None:
        self._pool, self._left_out, self._size, self._seed = pool, left_out, size, seed

    @functools.cached_property
    def _pairs(self) -> tuple[PairPool, NDArray[np.int64]]:
        pool = self._pool()
        return pool, pool.without(self._left_out)

    def __getitem__(self, number: int) -> CropBatch:
        """Return a batch.

        Raises:
            DataError: No pair is left.
        """
        pool, chosen = self._pairs
        if not len(chosen):
            raise DataError("no pair of crops is left to learn from; leave fewer sources out")
        rng = np.random.default_rng([self._seed, number])
        pairs = chosen[rng.integers(len(chosen), size=self._size // 2)]
        device = pool.crops.device
        crops = pool.crops[torch.from_numpy(pairs).to(device)].flatten(0, 1)
        mirrored = torch.from_numpy(rng.random(self._size) < 0.5).to(device).reshape(-1, 1, 1, 1)
        source = pool.source[pairs].ravel()
        return CropBatch(
            torch.where(mirrored, crops.flip(2), crops),
            torch.tensor([0.0, 1.0], device=device).repeat(len(pairs)),
            torch.from_numpy(source).to(device),
            tuple(pool.names[one] for one in source),
        )
