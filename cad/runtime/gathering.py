# SPDX-License-Identifier: Apache-2.0
"""Gathering puts windows of clips that are judged side by side into one call of a device.

A GPU takes little more time for 32 windows than for one, and a clip gives them one by one. There is no thread for it:
whichever caller finds the device free runs what waits, its own windows and those of the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition

from cad.runtime.feeding import Outputs, Runner
from cad.windows import Window

#: How long a call waits for windows of other clips, where such have come while the last one ran.
WAIT_SECONDS = 0.003


@dataclass(slots=True, eq=False)
class _Request:
    """What one caller waits for."""

    batch: Sequence[Window]
    outputs: Outputs | None = None
    error: Exception | None = None

    @property
    def slots(self) -> int:
        return len(self.batch[0].frames_present)

    @property
    def is_done(self) -> bool:
        return self.outputs is not None or self.error is not None


@dataclass(slots=True)
class _State:
    """What the callers share, under the lock of the condition."""

    waiting: list[_Request] = field(default_factory=list)
    is_running: bool = False
    is_crowded: bool = False


class Gathering:
    """Runs windows of several threads together, never two calls at once; every thread gets its own rows.

    Where a call of several fails, each of them is run by itself, so that an error is that of the clip which has it.

    Args:
        run: Runs windows of one length.
        most_windows: Windows of one call at most.
        wait_seconds: How long a call is held back for others' windows where there are other callers; a caller that
            is alone never waits.
    """

    def __init__(self, run: Runner, most_windows: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._run = run
        self._most_windows = most_windows
        self._wait_seconds = wait_seconds
        self._changed = Condition()
        self._state = _State()

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        """Return the graph's outputs for windows of one length, at most ``most_windows``, one row a window."""
        request = _Request(batch)
        state = self._state
        with self._changed:
            state.waiting.append(request)
            state.is_crowded |= state.is_running
            self._changed.notify_all()  # whoever holds its call back for others
        try:
            while not request.is_done:
                with self._changed:
                    while state.is_running and not request.is_done:
                        self._changed.wait()
                if not request.is_done:
                    self._run_what_waits()
        finally:
            with self._changed:
                if request in state.waiting:  # the caller was interrupted
                    state.waiting.remove(request)
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _run_what_waits(self) -> None:
        """Run the requests that stand first and fit into one call, unless another thread does so already.

        Whatever happens, the next caller may run then.
        """
        state = self._state
        taken: list[_Request] = []
        is_mine = False
        try:
            with self._changed:
                if state.is_running:
                    return
                is_mine = True
                state.is_running = True
                self._hold_back()
                taken = self._take()
            self._answer(taken)
        finally:
            if is_mine:
                with self._changed:
                    # After an interruption, which concerns the thread that ran: others run what is theirs.
                    state.waiting[:0] = [one for one in taken if not one.is_done]
                    state.is_running = False
                    self._changed.notify_all()

    def _hold_back(self) -> None:
        """Wait a moment for windows of others, where there are others and the call is not full."""
        state = self._state
        if not state.is_crowded:
            return
        until = time.monotonic() + self._wait_seconds
        while self._waiting_windows() < self._most_windows and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)
        state.is_crowded = len(state.waiting) > 1

    def _waiting_windows(self) -> int:
        first = self._state.waiting[0].slots if self._state.waiting else 0
        return sum(len(one.batch) for one in self._state.waiting if one.slots == first)

    def _take(self) -> list[_Request]:
        """Take the first request and those behind it that are of its length and fit."""
        taken: list[_Request] = []
        windows = 0
        for one in list(self._state.waiting):
            if taken and (one.slots != taken[0].slots or windows + len(one.batch) > self._most_windows):
                continue
            taken.append(one)
            windows += len(one.batch)
            self._state.waiting.remove(one)
        return taken

    def _answer(self, taken: list[_Request]) -> None:
        if len(taken) > 1:
            try:
                self._share_out(taken, self._run([window for one in taken for window in one.batch]))
            except Exception:
                pass  # whose it is comes out below
            else:
                return
        for one in taken:
            try:
                one.outputs = self._run(one.batch)
            except Exception as error:
                one.error = error

    @staticmethod
    def _share_out(taken: list[_Request], outputs: Outputs) -> None:
        at = 0
        for one in taken:
            one.outputs = {name: rows[at : at + len(one.batch)] for name, rows in outputs.items()}
            at += len(one.batch)
