# SPDX-License-Identifier: Apache-2.0
"""confine binds the decoding process before it sees a byte of a file; from then on the kernel enforces it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import os
import resource
import signal
import sys
from pathlib import Path

from cad.media.confinement import LANDLOCK, LIMITS, SECCOMP
from cad.media.landlock import refuse_names
from cad.media.limits import MediaLimits
from cad.media.refused_calls import tell_refused_calls
from cad.media.seccomp import refuse_system_calls

#: The kernel's alarm rings this long after the reader's own deadline, in case the reader is gone or stopped.
_ALARM_MARGIN_SECONDS = 30
_PR_SET_NO_NEW_PRIVS = 38
#: Less address space than this for a stack and buffers is none.
_LEAST_FREE_BYTES = 32 << 20


def confine(limits: MediaLimits, files: int, lifeline_fd: int) -> list[str]:
    """Take from this process what decoding does not need; nothing can be opened or imported afterwards.

    Args:
        limits: What it may cost.
        files: How many files it reads in its life.
        lifeline_fd: See ``die_with``; it can no longer be closed.

    Returns:
        What holds: ``limits``, ``landlock`` and ``seccomp``, or fewer where the system lacks or forbids some.
    """
    holds = [LIMITS] if apply_limits(limits, files) else []
    if sys.platform != "linux":
        return holds
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # both walls ask for it
    if refuse_names():
        holds.append(LANDLOCK)
    if refuse_system_calls(lifeline_fd, trapped=tell_refused_calls()):
        holds.append(SECCOMP)
    return holds


def check_own_memory(limits: MediaLimits) -> None:
    """Raise MemoryError if this process takes by itself what it may take, or nearly.

    Under such a limit its stack could not grow, which ends a process without a word.
    """
    try:
        taken_bytes = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux, or one without /proc
        return
    if taken_bytes + _LEAST_FREE_BYTES > limits.memory_bytes:
        raise MemoryError(f"{taken_bytes} bytes are taken of {limits.memory_bytes}")


def apply_limits(limits: MediaLimits, files: int) -> bool:
    """Bound this process's memory, processor time, files and their size for life; return whether the system took it.

    The limits are hard: only a privileged process could raise them, and the system-call filter lets none try.
    Processor time alone is counted anew for each file: its soft limit is that of the first file, and the reader raises
    it (``cad.media.processor_time``); all files together cannot take more than the hard one. There is no limit on
    threads, since the kernel counts those of all the user's processes; their stacks need address space.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    used_seconds = math.ceil(used.ru_utime + used.ru_stime)
    cpu_seconds = (used_seconds + limits.cpu_seconds, used_seconds + limits.cpu_seconds * files)
    taken = [
        _lower(resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        _lower(resource.RLIMIT_FSIZE, 0, 0),
        _lower(resource.RLIMIT_CORE, 0, 0),
        _lower(resource.RLIMIT_CPU, *cpu_seconds),
        _lower(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
    ]
    return all(taken)


def die_with(lifeline_fd: int) -> None:
    """Make the kernel end this process when the other end of a pipe closes, whatever this process is doing.

    A thread that waits for the end of the pipe would need the interpreter's lock, which a decoder caught in a loop may
    hold; a parent-death signal would fire when the *thread* that made this process ends. An asynchronous descriptor
    does neither: closing the far end raises a signal, and SIGKILL is one that cannot be held off.
    """
    if sys.platform != "linux":  # pragma: no cover - elsewhere the end of the channel is noticed between frames
        return
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETSIG, signal.SIGKILL)
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


def _lower(which: int, soft: int, hard: int) -> bool:
    """Set both limits, but never above those in force; return whether the system took them (macOS refuses some)."""
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (soft, hard))
        return True
    return False
