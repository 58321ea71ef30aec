# SPDX-License-Identifier: Apache-2.0
"""WorkerProcess gives the reader a decoding process: it starts it, talks to it, and kills it if it has to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import weakref
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cad.deadline import Deadline
from cad.errors import DecoderCrashedError, MediaError, MediaMemoryError, MediaTimeoutError
from cad.media.channel import Channel, ChannelClosedError
from cad.media.limits import MediaLimits
from cad.media.messages import MEMORY
from cad.media.processor_time import ProcessorTime
from cad.media.refused_calls import VARIABLE as TELL_VARIABLE
from cad.media.ring import SharedBlock, block_bytes

#: It is isolated (-I) and without site (-S), so that the environment, the current folder and start-up hooks cannot put
#: code into it, and it starts fast. It gets exactly the folders of the packages that it needs.
_BOOT = "import sys; sys.path += sys.argv[4:]; from cad.media.worker import main; main(sys.argv[1:4])"
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL", TELL_VARIABLE)
_START_SECONDS = 30.0
#: A process that has read this many files is replaced, so that neither leaks nor damage in decoders add up. A start
#: takes about 0.2 s of processor time, beside the last file of the one before: 4 ms a file.
FILES_PER_WORKER = 50


class WorkerProcess:
    """A decoding process that waits for a file, reads it, and can wait for the next one.

    Args:
        limits: What each file may cost; the kernel holds it to them for life.

    Raises:
        MediaError: It does not start.
    """

    def __init__(self, limits: MediaLimits) -> None:
        self.block = SharedBlock(block_bytes(limits))
        lifeline_read, lifeline_write = os.pipe()
        own_end, far_end = socket.socketpair()
        try:
            self._process = _start(self.block, lifeline_read, far_end)
        finally:
            os.close(lifeline_read)
            far_end.close()
        self._channel = Channel(own_end)
        self._finalizer = weakref.finalize(self, _end, os.getpid(), self._process, own_end, lifeline_write, self.block)
        self.path: str | Path = ""
        self.files = 0
        self._limits = limits
        self._deadline = Deadline(limits.wall_seconds)
        self._processor_time = ProcessorTime(self._process.pid)
        self._sandbox: tuple[str, ...] | None = None
        with contextlib.suppress(ChannelClosedError):  # what became of it is told when it is asked
            self._channel.send({"type": "start", "limits": asdict(limits), "files": FILES_PER_WORKER})

    @property
    def pid(self) -> int:
        """Process id, for tests and logs."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._finalizer.alive and self._process.poll() is None

    @property
    def sandbox(self) -> tuple[str, ...]:
        """What confines it, as ``cad.media.sandbox.confine`` says; known once it has started, which is waited for.

        Raises:
            MediaTimeoutError, DecoderCrashedError, MediaMemoryError: It does not start.
        """
        if self._sandbox is None:
            ready = self._wait(_START_SECONDS, f"the decoding process did not start within {_START_SECONDS:.0f} s")
            if ready.get("code") == MEMORY:
                self.kill()
                raise MediaMemoryError(self.path, "may have less memory than the decoding process takes by itself")
            self._sandbox = tuple(ready.get("sandbox", ()))  # it has not seen a file yet, and is believed
        return self._sandbox

    def begin(self, path: str | Path, deadline: Deadline) -> None:
        """Start on another file: errors name it, and nothing is waited for beyond its deadline."""
        self.path = path
        self.files += 1
        self._processor_time.begin(self._limits.cpu_seconds, is_first=self.files == 1)
        self._deadline = deadline

    def send(self, message: dict[str, Any], fd: int | None = None) -> None:
        """Send a message, and with it a copy of a descriptor.

        Raises:
            MediaTimeoutError, DecoderCrashedError: The process is gone.
        """
        self._require_open()
        try:
            self._channel.send(message, fd)
        except ChannelClosedError as error:
            raise self._death() from error

    def free(self, buffer: int) -> None:
        """Give a buffer back; one of a process that is gone is of no use, but what it said before is still to be read.

        Raises:
            DecoderCrashedError: The process has been stopped.
        """
        self._require_open()
        with contextlib.suppress(ChannelClosedError):
            self._channel.send({"type": "free", "buffer": buffer})

    def receive(self) -> dict[str, Any]:
        """Return its next message.

        Raises:
            MediaTimeoutError: Nothing came in time, or the file's time is over; the process has been killed.
            DecoderCrashedError: The process died or does not speak sense; it is gone.
        """
        self._require_open()
        _ = self.sandbox  # that message comes first
        patience = self._limits.stall_seconds
        message = self._wait(patience, f"decoding gave no sign of life for {patience:.0f} s and was stopped")
        if self._processor_time.is_used_up():
            self.kill()
            raise self._out_of_processor_time()
        return message

    def kill(self) -> None:
        """End the process at once and free what it held."""
        self._finalizer()

    def _require_open(self) -> None:
        """Keep off descriptors that have been closed: their numbers may be somebody else's by now."""
        if not self._finalizer.alive:
            raise DecoderCrashedError(self.path, "the decoding process has been stopped")

    def _wait(self, seconds: float, late: str) -> dict[str, Any]:
        """Return the next message; if none comes within ``seconds`` or in time, kill the process and say so."""
        left = self._deadline.left_seconds
        try:
            # Answers that lie ready are of no use when the time is over: whoever takes them is slower than the decoder.
            message = self._channel.receive(min(seconds, left)) if left else None
        except ChannelClosedError as error:
            raise self._death() from error
        if message is None:
            self.kill()
            raise self._deadline.error(self.path) if left < seconds else MediaTimeoutError(self.path, late)
        return message

    def _death(self) -> MediaError:
        """Return the error that says how the process ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # the pipe closes a moment before the process can be collected
        code = self._process.poll()
        self.kill()
        if code is not None and code < 0:
            if -code in (signal.SIGXCPU, signal.SIGALRM):
                return self._deadline.error(self.path) if self._deadline.passed else self._out_of_processor_time()
            return DecoderCrashedError(self.path, f"the decoder crashed ({_signal_name(-code)})")
        return DecoderCrashedError(self.path, f"the decoder ended without an answer (exit status {code})")

    def _out_of_processor_time(self) -> MediaTimeoutError:
        text = f"decoding used up its {self._limits.cpu_seconds} s of processor time and was stopped"
        return MediaTimeoutError(self.path, text)


def _start(block: SharedBlock, lifeline_fd: int, far_end: socket.socket) -> subprocess.Popen[bytes]:
    # Numbers 0, 1 and 2 are standard streams in the other process; ours may be closed, and theirs in use for this.
    block_fd, lifeline_fd = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (block.fd, lifeline_fd))
    arguments = [str(block_fd), str(block.size_bytes), str(lifeline_fd), *_package_folders()]
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # One arena and no idle threads: both would count against the address space.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *(["-B"] if sys.dont_write_bytecode else []), "-c", _BOOT, *arguments],
            stdin=far_end.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=None if TELL_VARIABLE in environment else subprocess.DEVNULL,
            env=environment,
            pass_fds=(block_fd, lifeline_fd),
        )
    finally:
        os.close(block_fd)
        os.close(lifeline_fd)


def _package_folders() -> list[str]:
    """Return the folders from which this process has cad, numpy and av."""
    specs = [find_spec(name) for name in ("cad", "numpy", "av")]  # found, not imported: this process parses no media
    origins = [Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None]
    return list(dict.fromkeys(str(origin.absolute().parent.parent) for origin in origins))


def _end(
    owner_pid: int,
    process: subprocess.Popen[bytes],
    own_end: socket.socket,
    lifeline_fd: int,
    block: SharedBlock,
) -> None:
    if os.getpid() != owner_pid:
        return  # this is a fork of the reader's process; the reader and its decoder live on
    process.kill()
    process.wait()
    own_end.close()
    os.close(lifeline_fd)
    block.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
