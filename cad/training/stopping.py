# SPDX-License-Identifier: Apache-2.0
"""``StopRequest`` turns Ctrl-C and SIGTERM into a wish that a run fulfils when it can be continued from there."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Watches for signals while it is entered.

    The first one ends the program (exit code 128 + its number: 130, 143), or, while ``defer`` holds, is kept in
    ``signal_number`` for the run to end by itself. The second one ends the program on the spot.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._is_deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def defer(self) -> None:
        """Keep the next signal until the run asks for it; from now on nobody else (Lightning) listens."""
        self._is_deferred = True
        for number in self._before:
            signal.signal(number, self._ask)

    def release(self) -> None:
        """Let the next signal end the program."""
        self._is_deferred = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        is_second = self.signal_number is not None
        self.signal_number = number
        if is_second:
            os._exit(128 + number)
        if not self._is_deferred:
            raise SystemExit(128 + number)
        sys.stderr.write("train: stops after this step and saves; once more ends it at once\n")
