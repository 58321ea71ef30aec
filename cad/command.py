# SPDX-License-Identifier: Apache-2.0
"""Runs the work of every command, so that its exit code means one thing only, whatever happens.

It needs the standard library and the error tree alone: what a command imports is imported inside its work, where a
fault is told like any other.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from types import FrameType
from typing import Any

from cad.errors import CadError, WeightsError
from cad.printable import printable

#: When the program began, on the clock of ``time.perf_counter``: this is the first module of every command.
STARTED_SECONDS = time.perf_counter()
#: A signal that comes again so soon is the same one: ``timeout`` sends two, a terminal that closes may, too.
_SAME_SIGNAL_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ExitCode(IntEnum):
    """What a command returns to the shell. 1 is never a fault: each command says what it means by it, if anything."""

    OK = 0
    FAKE_FOUND = 1
    USAGE = 2
    INPUT_FAILED = 3
    WEIGHTS = 4
    FAULT = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class Stopped(KeyboardInterrupt):
    """A signal asks the program to end; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_command(work: Callable[[], int], name: str, shows_trace: bool = True) -> int:
    """Do a command's work and return its exit code; ``name`` stands before what is said on stderr.

    While it works, Ctrl-C, SIGTERM and SIGHUP raise ``Stopped`` (unless whoever started it has them ignored), so that
    children end and files are whole. A second one, later than half a second, breaks off that, too.

    Args:
        work: Returns its code. It may leave by SystemExit with 0, 2 (usage, as argparse does it) or a signal's code.
        name: The command.
        shows_trace: Whether a fault of this package is told with its traceback and not in one line alone.

    Returns:
        What ``work`` returned, or an ExitCode: WEIGHTS for a WeightsError, USAGE for any other CadError and an OSError
        (the output, mostly), a signal's, BROKEN_PIPE where whoever read the output went away, FAULT for all else.

    Example:
        >>> run_command(lambda: 0, "nothing")
        0
    """
    open_standard_streams()
    try:
        with _signals_raise():
            code = work()
            if sys.stdout is not None:
                sys.stdout.flush()
    except BaseException as error:
        code = _code_of(error, name, shows_trace)
    _settle()
    return code


def open_standard_streams() -> None:
    """Open descriptors 0, 1 and 2 on the null device where they are closed, so that no other file becomes one of them.

    What is written to such a standard output fails, as it does where that is closed: nobody would ever see it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        # Output is opened for reading, so that writing to it fails.
        flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
        opened = None
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest that is free: this one
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:  # Python found it closed; a file that took its number since is left alone
            opened = os.open(os.devnull, flags) if opened is None else opened
            setattr(sys, name, os.fdopen(opened, "r" if name == "stdin" else "w"))


def say(name: str, text: object) -> None:
    """Print one line on stderr, if anybody is there to read it."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{name}: {printable(' '.join(str(text).split()))}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let signals raise ``Stopped`` in the main thread; one that is ignored stays so (``nohup``, background jobs)."""
    last: float | None = None
    is_over = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now, before = time.monotonic(), last
        last = now
        if before is not None and now - before < _SAME_SIGNAL_SECONDS:
            return
        if is_over:
            os._exit(128 + number)
        raise Stopped(number)

    handlers: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for one in _SIGNALS:
                if signal.getsignal(one) not in (signal.SIG_IGN, None):
                    handlers[one] = signal.signal(one, stop)
        yield
    finally:
        is_over = True
        # After a signal the program is at its end, where the same one again must not make another end of it: not while
        # threads end, and not when Python has already put the system's own handlers back, the last thing it does.
        if last is None:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        else:
            atexit.register(_ignore, tuple(handlers))


def _ignore(numbers: Iterable[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _code_of(error: BaseException, name: str, shows_trace: bool) -> int:
    """Return the exit code for what ended the work, and say it on stderr where it is no wish of the user's."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)
    if isinstance(error, BrokenPipeError):
        return ExitCode.BROKEN_PIPE
    if isinstance(error, CadError | OSError):
        say(name, error)
        return ExitCode.WEIGHTS if isinstance(error, WeightsError) else ExitCode.USAGE
    if isinstance(error, SystemExit):
        code = error.code or 0
        if isinstance(code, int) and (code in (0, ExitCode.USAGE) or code > 128):
            return code
    if shows_trace:
        with contextlib.suppress(OSError, ValueError):
            traceback.print_exception(error)
    if isinstance(error, MemoryError):
        say(name, "there is not enough memory")
    else:
        where = "" if shows_trace else " (-v shows where)"
        say(name, f"a fault of this program: {type(error).__name__}: {error}{where}")
    return ExitCode.FAULT


def _settle() -> None:
    """See to it that Python, which flushes the streams at its end, has nothing to complain of then."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, KeyboardInterrupt):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
