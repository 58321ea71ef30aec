# SPDX-License-Identifier: Apache-2.0
"""Tells the detector where the time goes: wall-clock seconds by stage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Adds up wall-clock seconds by stage, and in all since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._by_stage: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside towards the stage ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._by_stage[name] = self._by_stage.get(name, 0.0) + time.perf_counter() - started

    def timed(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield ``items``, counting the wait for each towards the stage ``name``."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def seconds(self) -> dict[str, float]:
        """Return the seconds of every stage so far, and ``total`` since the start."""
        return {**self._by_stage, "total": time.perf_counter() - self._started}
