# SPDX-License-Identifier: Apache-2.0
"""ProcessorTime bounds from outside what a decoding process may use of the processor for one file (Linux)."""

from __future__ import annotations

import contextlib
import math
import resource
import sys
import time


class ProcessorTime:
    """The processor time of another process since it began on a file; elsewhere than on Linux nothing is known of it.

    Two bounds hold. The kernel ends the process at its soft limit; that needs nobody to look, but a process that was
    taken over can ignore the signal. ``is_used_up`` is for whoever hears from the process.

    Args:
        pid: Of the process, which belongs to the same user.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop_seconds = math.inf

    def begin(self, cpu_seconds: int, *, is_first: bool) -> None:
        """Count from now on; the soft limit of the first file is what the process has set itself."""
        if sys.platform != "linux":
            return
        self._stop_seconds = self._used_seconds() + cpu_seconds
        if not is_first:
            # Where this is not permitted, its first files' limit stays in force, and it ends early.
            with contextlib.suppress(OSError, ValueError):
                _, hard = resource.prlimit(self._pid, resource.RLIMIT_CPU)
                resource.prlimit(self._pid, resource.RLIMIT_CPU, (min(math.ceil(self._stop_seconds), hard), hard))

    def is_used_up(self) -> bool:
        """Say whether the process has used more than it may for this file."""
        return self._used_seconds() > self._stop_seconds + 1.0  # the kernel, which counts whole seconds, comes first

    def _used_seconds(self) -> float:
        """Return what it has used in all; 0 once it is gone."""
        try:
            # The clock of another process's processor time. Source: Linux, include/linux/posix-timers_types.h.
            return time.clock_gettime((~self._pid << 3) | 2)
        except OSError:
            return 0.0
