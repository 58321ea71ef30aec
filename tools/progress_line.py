# SPDX-License-Identifier: Apache-2.0
"""ProgressLine tells whoever waits how far a long run of files is, on standard error."""

from __future__ import annotations

import sys
import time


class ProgressLine:
    """A line that says how many files are done, and about how long the others take.

    On a terminal it is one line, elsewhere one every quarter of a minute.

    Args:
        name: What runs.
    """

    def __init__(self, name: str) -> None:
        self._name, self._start, self._last = name, time.monotonic(), 0.0
        self._step, self._end = (0.5, "\r") if sys.stderr.isatty() else (15.0, "\n")

    def __call__(self, number: int, total: int, path: str) -> None:
        now = time.monotonic()
        if now - self._last < self._step:
            return
        self._last = now
        left = f", about {(now - self._start) / number * (total - number):.0f} s left" if number else ""
        print(f"{self._name}: {number}/{total}{left}", end=self._end, file=sys.stderr, flush=True)

    def done(self, what: str = "finished") -> None:
        """Say that it is, and how long it took."""
        print(f"{self._name}: {what} after {time.monotonic() - self._start:.0f} s", file=sys.stderr)
