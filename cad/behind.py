# SPDX-License-Identifier: Apache-2.0
"""Behind lets the detector score windows while it looks for faces in the pictures that come after them."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Semaphore, Thread

from cad.closing import Closing

Work = Callable[[], None]


class Behind(Closing):
    """Does pieces of work in the order in which they are given, on one thread of its own, a little behind the giver.

    What is done does not depend on how far behind it is: one piece is done by itself, as if ``give`` had done it.
    Once a piece has raised, no later one is begun; what it raised comes out of the next ``give`` or of ``finish``.

    Args:
        most_waiting: ``give`` waits while so many pieces are not done: what they hold would fill the memory.

    Example:
        >>> from functools import partial
        >>> done = []
        >>> with Behind(2) as behind:
        ...     for number in range(3):
        ...         behind.give(partial(done.append, number))
        ...     behind.finish()
        >>> done
        [0, 1, 2]
    """

    def __init__(self, most_waiting: int) -> None:
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._room = Semaphore(most_waiting)
        self._thread: Thread | None = None
        self._stopped = False
        self._raised: BaseException | None = None

    def give(self, work: Work) -> None:
        """Hand over the next piece.

        Raises:
            BaseException: What an earlier piece raised.
        """
        self._room.acquire()
        self._tell()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="cad-behind")
            self._thread.start()
        self._waiting.put(work)

    def finish(self) -> None:
        """Wait until all that was given is done.

        Raises:
            BaseException: What a piece raised.
        """
        self._end()
        self._tell()

    def close(self) -> None:
        """Leave out what was not begun, and wait for what was; may be called twice."""
        self._stopped = True
        self._end()
        self._raised = None  # its traceback would keep alive what was worked on

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _tell(self) -> None:
        if self._raised is not None:
            self._stopped = True
            raise self._raised

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                if not self._stopped:
                    work()
            except BaseException as error:
                self._stopped, self._raised = True, error
            del work  # it holds pictures, and the next one may be long in coming
            self._room.release()
