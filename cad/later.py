# SPDX-License-Identifier: Apache-2.0
"""Later lets the detector load its net while the first file is already read."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Later(Generic[Value]):
    """Does a piece of work on a thread of its own, from now on; whoever needs what it returns waits for it.

    The thread is no daemon: a process that ends meanwhile waits for it rather than taking memory from under it.

    Example:
        >>> Later(lambda: 6 * 7)()
        42
    """

    def __init__(self, work: Callable[[], Value]) -> None:
        self._value: list[Value] = []
        self._raised: BaseException | None = None
        self._thread = Thread(target=self._run, args=(work,), name="cad-later")
        self._thread.start()

    def __call__(self) -> Value:
        """Return what the work returned, once it is done.

        Raises:
            BaseException: What the work raised.
        """
        self._thread.join()
        if self._raised is not None:
            raise self._raised
        return self._value[0]

    def _run(self, work: Callable[[], Value]) -> None:
        try:
            self._value.append(work())
        except BaseException as error:
            self._raised = error
