# SPDX-License-Identifier: Apache-2.0
"""Deadline bounds the time that one file may take, from its opening to its verdict, whoever spends it."""

from __future__ import annotations

import time
from pathlib import Path

from cad.errors import MediaTimeoutError


class Deadline:
    """The instant by which a file must be done; it is asked between steps, for 50 ns each.

    Args:
        seconds: From now.

    Attributes:
        seconds: As given.

    Example:
        >>> deadline = Deadline(60.0)
        >>> deadline.passed, deadline.left_seconds <= 60.0
        (False, True)
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends_at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        """What is left, in seconds, never below 0."""
        return max(0.0, self._ends_at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._ends_at

    def check(self, name: str | Path) -> None:
        """Raise MediaTimeoutError, which calls the file ``name``, if nothing is left."""
        if self.passed:
            raise self.error(name)

    def error(self, name: str | Path) -> MediaTimeoutError:
        """Return the error that says that the file ``name`` took too long."""
        return MediaTimeoutError(name, f"took longer than the {self.seconds:g} s that a file may take, and was stopped")
