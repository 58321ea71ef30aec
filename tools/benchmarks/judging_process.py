# SPDX-License-Identifier: Apache-2.0
"""JudgingProcess runs the whole product in a process of its own and measures what a file costs there.

Started as a program it is that process: it reads a path a line and answers each with one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cad.closing import Closing
from cad.detector import Detector
from cad.errors import CadError
from cad.media.limits import MediaLimits

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.05
MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What a file cost and what came of it.

    Attributes:
        outcome: The label, the code of the error, or ``untyped: ...``, ``stopped: ...`` where there was no answer.
        seconds: Wall-clock time from the call to its return.
        processor_seconds: Of the process that judges, its decoding process left out.
        parent_mib: Peak of resident memory of the process that judges.
        child_mib: Likewise of its decoding processes, the larger one.
    """

    outcome: str
    seconds: float
    processor_seconds: float
    parent_mib: float
    child_mib: float


class JudgingProcess(Closing):
    """A process with one Detector, which is started again when it had to be stopped.

    Args:
        timeout_seconds: The product's own limit for one file (``--timeout``).
        stop_mib: The process is stopped where it holds more.
        stop_seconds: Likewise where a file takes longer.
    """

    def __init__(self, timeout_seconds: float, stop_mib: int = 3000, stop_seconds: float = 120.0) -> None:
        self._timeout_seconds = timeout_seconds
        self._stop = (stop_mib, stop_seconds)
        self._process = self._start()

    def judge(self, path: Path) -> Cost:
        """Return what the file cost."""
        if self._process.poll() is not None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        for pid in (process.pid, *children_of(process.pid)):
            forget_peak(pid)
        began = time.monotonic()
        process.stdin.write(os.fsencode(path) + b"\n")
        process.stdin.flush()
        parent = child = 0.0
        why = None
        while why is None and not select.select([process.stdout], [], [], LOOK_SECONDS)[0]:
            parent = max(parent, peak_mib(process.pid))
            child = max([child, *map(peak_mib, children_of(process.pid))])
            if held_mib(process.pid) > self._stop[0]:
                why = "memory"
            elif time.monotonic() - began > self._stop[1]:
                why = "time"
        # The process waits for the next file, so that nothing of the last one's peak is lost.
        parent = max(parent, peak_mib(process.pid))
        child = max([child, *map(peak_mib, children_of(process.pid))])
        line = process.stdout.readline() if why is None else b""
        if not line:
            self.close()
            how = f"stopped: {why}" if why else f"untyped: the process ended with {process.returncode}"
            return Cost(how, time.monotonic() - began, 0.0, parent, child)
        return Cost(**json.loads(line), parent_mib=parent, child_mib=child)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.judging_process", str(self._timeout_seconds)],
            cwd=ROOT / "tools",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        return process


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children, none if it is gone."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def forget_peak(pid: int) -> None:
    """Let the kernel count a process's peak anew (Linux)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> float:
    """Return a process's peak of resident memory, 0 if it is gone."""
    return _status_mib(pid, "VmHWM:")


def held_mib(pid: int) -> float:
    """Return a process's resident memory, 0 if it is gone."""
    return _status_mib(pid, "VmRSS:")


def _status_mib(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def answer_lines(timeout_seconds: float) -> None:
    """Judge the file of every line of standard input."""
    # What the libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with Detector(limits=MediaLimits(wall_seconds=timeout_seconds)) as detector:
        answers.write("ready\n")
        for line in sys.stdin.buffer:
            path = Path(os.fsdecode(line.rstrip(b"\n")))
            began, processor = time.monotonic(), time.process_time()
            try:
                outcome = detector.detect(path).label.value
            except CadError as error:
                outcome = f"refused: {error.code}"
                if "\n" in str(error):
                    outcome = f"untyped: an error of several lines: {error!r}"
            except Exception as error:
                outcome = f"untyped: {error!r}"[:300]
            seconds, processor_seconds = time.monotonic() - began, time.process_time() - processor
            answer = {"outcome": outcome, "seconds": seconds, "processor_seconds": processor_seconds}
            answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    answer_lines(float(sys.argv[1]))
