# SPDX-License-Identifier: Apache-2.0
"""MediaPool gives the readers of a batch decoding processes that have already started."""

from __future__ import annotations

import threading

from cad.closing import Closing
from cad.deadline import Deadline
from cad.media.input import MediaInput, open_input
from cad.media.limits import MediaLimits
from cad.media.process import FILES_PER_WORKER, WorkerProcess
from cad.media.reader import MediaReader


class MediaPool(Closing):
    """Opens files like open_media, reusing decoding processes that ended their last file normally.

    After a crash, want of memory, a time-out or an abandoned file the next one gets a fresh process. Safe to use from
    several threads.

    Args:
        limits: What each file may cost; MediaLimits() if None.
        idle: How many waiting processes are kept.
        require_sandbox: As open_media.
    """

    def __init__(self, limits: MediaLimits | None = None, idle: int = 1, require_sandbox: bool = False) -> None:
        self._limits = limits or MediaLimits()
        self._keep = idle
        self._require_sandbox = require_sandbox
        self._idle: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def open(self, media: MediaInput, name: str | None = None, deadline: Deadline | None = None) -> MediaReader:
        """Open a path, bytes or a binary stream; see open_media.

        Args:
            media: See open_media.
            name: See open_media.
            deadline: By when the file must be done; None: the limit of its time begins now.

        Raises:
            MediaError, OptionError: As open_media.
        """
        deadline = deadline or Deadline(self._limits.wall_seconds)
        file = open_input(media, self._limits, name, deadline)
        return MediaReader(file, self._limits, self._acquire, self._release, deadline, self._require_sandbox)

    def warm_up(self) -> None:
        """Start a decoding process now, so that it is ready when the first file comes."""
        self._release(WorkerProcess(self._limits))

    def keep(self, idle: int) -> None:
        """Keep at least so many waiting processes from now on."""
        with self._lock:
            self._keep = max(self._keep, idle)

    def close(self) -> None:
        """End all waiting processes."""
        with self._lock:
            self._closed = True
            workers, self._idle = self._idle, []
        for worker in workers:
            worker.kill()

    def _acquire(self) -> WorkerProcess:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    if worker.files + 1 >= FILES_PER_WORKER and not self._closed:
                        # Its successor starts while it reads its last file.
                        self._idle.append(WorkerProcess(self._limits))
                    return worker
                worker.kill()
        return WorkerProcess(self._limits)

    def _release(self, worker: WorkerProcess) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < self._keep and worker.files < FILES_PER_WORKER:
                worker.block.release_pages()
                self._idle.append(worker)
                return
        worker.kill()
