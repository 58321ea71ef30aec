# SPDX-License-Identifier: Apache-2.0
"""Does runs of ``tools/train.py`` one after the other: ``python forked_runs.py JOBS.json``.

Each is a fork of this process, which has imported everything: only so can dozens be tried in seconds. Prints how each
ended as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        words: Of the command line.
        kill_at: Kill it (SIGKILL) at this share of the processor time that the first job took; None to let it end.
        halve: Files that lose their second half before.
    """

    words: Sequence[str]
    kill_at: float | None = None
    halve: Sequence[str] = ()


def killed_after(seconds: float) -> None:
    """Kill this process once it has worked for so long; processor time, so that a busy machine moves nothing."""

    def watch() -> None:
        while time.process_time() - begin < seconds:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

    begin = time.process_time()
    threading.Thread(target=watch, daemon=True).start()


def done(job: Job, tool: Any, first_seconds: float) -> tuple[dict[str, Any], float]:
    """Do a job in a fork; return how it ended, and its processor time."""
    for name in job.halve:
        os.truncate(name, Path(name).stat().st_size // 2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.setsid()  # its signals to its group are its own
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            if job.kill_at is not None:
                killed_after(job.kill_at * first_seconds)
            _end_as(job, tool)
        _, status, used = os.wait4(child, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    end = {"code": os.waitstatus_to_exitcode(status), "out": texts[0], "err": texts[1]}
    return end, used.ru_utime + used.ru_stime


def _end_as(job: Job, tool: Any) -> None:
    code = 70
    try:
        sys.argv = ["tools/train.py", *job.words]
        code = tool.run_command(tool.train, "train")
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def main(jobs: list[Job]) -> None:
    path = Path(__file__).resolve().parents[2] / "tools" / "train.py"
    spec = importlib.util.spec_from_file_location("train", path)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    ends = []
    first_seconds = 0.0
    for job in jobs:
        end, seconds = done(job, tool, first_seconds)
        first_seconds = first_seconds or seconds
        ends.append(end)
    print(json.dumps(ends))


if __name__ == "__main__":
    main([Job(**job) for job in json.loads(Path(sys.argv[1]).read_text())])
