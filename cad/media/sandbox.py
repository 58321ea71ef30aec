# SPDX-License-Identifier: Apache-2.0
"""apply_limits binds the decoding process before it touches a file; from then on the kernel enforces the limits."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import resource
import signal
import sys

from cad.media.limits import MediaLimits

#: The kernel's alarm rings this long after the reader's own deadline, in case the reader is gone or stopped.
_ALARM_MARGIN_SECONDS = 30


def apply_limits(limits: MediaLimits) -> None:
    """Bound this process's memory, processor time, files and their size; called for every new file."""
    _lower(resource.RLIMIT_AS, limits.memory_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + limits.cpu_seconds)


def die_with(lifeline_fd: int) -> None:
    """Make the kernel end this process when the other end of a pipe closes, whatever this process is doing.

    A thread that waits for the end of the pipe would need the interpreter's lock, which a decoder caught in a loop may
    hold; a parent-death signal would fire when the *thread* that made this process ends. An asynchronous descriptor
    does neither: closing the far end raises SIGIO, whose default action is to terminate.
    """
    if sys.platform != "linux":  # pragma: no cover - elsewhere the end of the channel is noticed between frames
        return
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        if not os.read(lifeline_fd, 1):
            os._exit(1)  # it closed before the signal was armed


def set_alarm(left_seconds: float | None) -> None:
    """Let the kernel end this process some time after the reader should have stopped it; None takes that back.

    Args:
        left_seconds: How much time is left for the file.
    """
    signal.alarm(0 if left_seconds is None else math.ceil(left_seconds) + _ALARM_MARGIN_SECONDS)


def _lower(which: int, value: int) -> None:
    """Set the soft limit, but never above the hard one."""
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some of them
        resource.setrlimit(which, (value, hard))
