# SPDX-License-Identifier: Apache-2.0
"""Spreads the detector's batch over a few threads: results in the order of the items, items taken as needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def in_order(work: Callable[[Item, Event], Done], items: Iterable[Item], jobs: int) -> Iterator[Done]:
    """Yield ``work(item, cancelled)`` for each item, in order, with at most ``jobs`` at work and as many waiting.

    Closing the iterator sets ``cancelled``, drops what was not begun and waits for what was. One job works on the
    caller's thread.

    Example:
        >>> list(in_order(lambda item, cancelled: abs(item), [-3, 2, -1], jobs=2))
        [3, 2, 1]
    """
    cancelled = Event()
    if jobs == 1:
        for item in items:
            yield work(item, cancelled)
        return
    waiting: deque[Future[Done]] = deque()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="cad")
    try:
        for item in items:
            waiting.append(pool.submit(work, item, cancelled))
            if len(waiting) >= 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        cancelled.set()
        pool.shutdown(wait=True, cancel_futures=True)
