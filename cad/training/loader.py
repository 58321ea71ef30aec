# SPDX-License-Identifier: Apache-2.0
"""Batches by number, and a loader that goes on where a checkpoint left it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset, Sampler

from cad.training.batches import Batch, Sample, collate


class BatchNumbers(Sampler[list[int]]):
    """The sample numbers of each batch: consecutive over the run, dealt out to the processes of a parallel run.

    Args:
        batches: How many batches this process sees in the whole run.
        batch_size: Samples in each.
        rank: This process.
        world_size: How many there are.

    Example:
        >>> list(BatchNumbers(2, 3, rank=1, world_size=2))
        [[3, 4, 5], [9, 10, 11]]
    """

    def __init__(self, batches: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.first = 0
        self._batches, self._size, self._rank, self._world = batches, batch_size, rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(self.first, self._batches):
            start = (batch * self._world + self._rank) * self._size
            yield list(range(start, start + self._size))

    def __len__(self) -> int:
        return self._batches


class ResumableLoader(DataLoader[Sample]):
    """A DataLoader whose state is the number of batches handed out; Lightning keeps it in its checkpoints.

    Args:
        dataset: Samples by number.
        numbers: Which of them, batch by batch.
        workers: Processes that make samples; 0 for none.
        pin_memory: Whether batches are put in page-locked memory.
    """

    def __init__(self, dataset: Dataset[Sample], numbers: BatchNumbers, workers: int, pin_memory: bool) -> None:
        self._numbers = numbers
        self._handed_out = 0
        super().__init__(
            dataset,
            batch_sampler=numbers,
            collate_fn=collate,
            pin_memory=pin_memory,
            **worker_options(workers),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._handed_out = self._numbers.first
        for batch in super().__iter__():
            self._handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches have been handed out in the whole run."""
        return {"handed_out": self._handed_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches that a checkpoint counted."""
        self._numbers.first = self._handed_out = int(state["handed_out"])


def worker_options(workers: int) -> dict[str, Any]:
    """Return the options of a DataLoader for its worker processes, and keep OpenCV to one thread here and there.

    The other threads belong to the network. And a process that is forked while OpenCV has threads has none of them, but
    waits for them.
    """
    cv2.setNumThreads(1)
    return {"num_workers": workers, "worker_init_fn": work_until_ended}


def work_until_ended(worker: int) -> None:
    """Keep a worker process to its work when a run is stopped.

    A terminal's Ctrl-C reaches every process; the run needs its workers until it has saved, and ends them then.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
