# SPDX-License-Identifier: Apache-2.0
"""``ShardWorkers`` makes the clips of rows in processes of their own, for ``cad.data.sharding``.

They are started as the decoding processes of ``cad.media`` are, not through ``multiprocessing``, which would run the
caller's script (and import torch) in each. One that dies costs the row that it had. All end when this process does,
however that ends, since what they read from closes.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import cv2

from cad.closing import Closing
from cad.data.clips import ClipReader
from cad.data.manifest import Row
from cad.data.shards import Coding, Member, clip_members
from cad.errors import CadError, DecoderCrashedError, MediaTimeoutError

#: So many clips for each process are made ahead of the one that is waited for: a long one does not stop the others.
_AHEAD = 8
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from cad.data.shard_worker import main; main(sys.argv[1])"
#: Errors that may come from a busy machine rather than from the file.
_MAY_PASS = (MediaTimeoutError, DecoderCrashedError, OSError)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class NoClip:
    """Why a row has no clip; ``may_pass`` where trying again may help although its file stays as it is."""

    reason: str
    may_pass: bool


Made = list[Member] | NoClip


class ShardWorkers(Closing):
    """Processes that make clips.

    Args:
        root: Folder that the rows' paths are relative to.
        jobs: How many.
        coding: How crops are kept.
    """

    def __init__(self, root: Path, jobs: int, coding: Coding) -> None:
        self._root, self._coding, self._jobs = root, coding, jobs
        self._idle: list[subprocess.Popen[bytes]] = []
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        # A thread for each process, which waits for it.
        self._threads = ThreadPoolExecutor(jobs)

    def clips(self, rows: Iterable[Row]) -> Iterator[Made]:
        """Yield, in order, the members of each row's clip or why it has none."""
        waiting: deque[Future[Made]] = deque()
        for row in rows:
            waiting.append(self._threads.submit(self._made, row))
            if len(waiting) >= _AHEAD * self._jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """End all of them, whatever they are at."""
        self._closed = True
        for worker in list(self._alive):
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._alive:
            worker.communicate()
        self._alive.clear()

    def _made(self, row: Row) -> Made:
        worker = self._idle.pop() if self._idle else self._start()
        try:
            pickle.dump((self._root, row), cast(IO[bytes], worker.stdin))
            cast(IO[bytes], worker.stdin).flush()
            made: Made = pickle.load(cast(IO[bytes], worker.stdout))
        except (EOFError, OSError, pickle.UnpicklingError):
            return NoClip(f"the process that made the clip died (exit status {worker.wait()})", may_pass=True)
        self._idle.append(worker)
        return made

    def _start(self) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, "-c", _BOOT, self._coding, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ONE_THREAD,
            start_new_session=True,  # Ctrl-C is for this process alone
        )
        self._alive.add(worker)
        if self._closed:
            worker.kill()
        return worker


def main(coding: Coding) -> None:
    """Answer each row on standard input with its members or the reason on standard output, until that closes."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    cv2.setNumThreads(1)
    with closing(ClipReader(coded=coding == "jpeg")) as reader:
        while True:
            try:
                root, row = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            try:
                made: Made = clip_members(reader.read(root, row), row.as_text(), coding)
            except (CadError, OSError) as error:
                made = NoClip(" ".join(str(error).split()), isinstance(error, _MAY_PASS))
            try:
                pickle.dump(made, answers)
                answers.flush()
            except BrokenPipeError:
                os._exit(1)  # whoever asked is gone
