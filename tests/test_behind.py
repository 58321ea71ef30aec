# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from functools import partial

import pytest

from cad.behind import Behind


def test_work_is_done_in_order_on_another_thread() -> None:
    done: list[tuple[int, int]] = []
    with Behind(3) as behind:
        for number in range(20):
            behind.give(lambda number=number: done.append((number, threading.get_ident())))
        behind.finish()
    assert [number for number, _ in done] == list(range(20))
    assert {thread for _, thread in done} != {threading.get_ident()} and len({thread for _, thread in done}) == 1


def test_the_giver_waits_while_too_much_is_not_done() -> None:
    go_on, begun = threading.Event(), threading.Event()
    given: list[int] = []

    def work() -> None:
        begun.set()
        go_on.wait(10)

    def give() -> None:
        with Behind(2) as behind:
            for number in range(4):
                behind.give(work)
                given.append(number)
            behind.finish()

    giver = threading.Thread(target=give)
    giver.start()
    assert begun.wait(10)
    giver.join(0.2)
    assert given == [0, 1]  # one at work, one waiting
    go_on.set()
    giver.join(10)
    assert given == [0, 1, 2, 3]


def test_what_a_piece_raises_comes_out_and_nothing_later_is_begun() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    with Behind(8) as behind:
        behind.give(fail)
        for number in range(3):
            try:
                behind.give(partial(done.append, number))
            except ValueError:
                break
        with pytest.raises(ValueError, match="no"):
            behind.finish()
    assert done == []


def test_closing_leaves_out_what_was_not_begun_and_ends_the_thread() -> None:
    before = threading.active_count()
    go_on, begun = threading.Event(), threading.Event()
    done: list[int] = []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.append(0)

    behind = Behind(8)
    behind.give(work)
    behind.give(partial(done.append, 1))
    assert begun.wait(10)
    threading.Timer(0.1, go_on.set).start()
    behind.close()
    behind.close()
    assert done == [0] and threading.active_count() <= before + 1  # the timer's thread may still be ending
