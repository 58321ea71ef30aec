# SPDX-License-Identifier: Apache-2.0
"""Windows of several threads in one call: everyone gets what is theirs, whatever happens to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cad.runtime.feeding import Outputs
from cad.runtime.gathering import Gathering
from cad.runtime.shrinking import Shrinking
from cad.windows import Window

SECONDS = 20.0


def window(number: int, slots: int = 3) -> Window:
    frames = np.full((slots, 1, 1, 3), number % 256, np.uint8)
    return Window(number, 0, frames, np.ones(slots, bool), np.zeros(slots * 640, np.float32), np.ones(slots, bool))


class Device:
    """Answers each window with its first slot, and remembers what was asked; slow as a test wants it to be."""

    def __init__(self, slow: float = 0.0) -> None:
        self.calls: list[list[int]] = []
        self.slow = slow
        self.at_once = 0
        self.most_at_once = 0
        self.poison: dict[int, BaseException] = {}
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def __call__(self, batch: Sequence[Window]) -> Outputs:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert len({len(one.frames_present) for one in batch}) == 1
            self.calls.append([one.first_slot for one in batch])
            self.has_begun.set()
            assert self.may_go_on.wait(SECONDS)
            time.sleep(self.slow)
            for one in batch:
                if one.first_slot in self.poison:
                    raise self.poison[one.first_slot]
            return {"logit": np.array([one.first_slot for one in batch], np.float32)}
        finally:
            self.at_once -= 1


def in_threads(work: Any, items: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(items)) as pool:
        return [future.result(SECONDS) for future in [pool.submit(work, item) for item in items]]


def held_up(device: Device, gathering: Gathering, batches: Sequence[Sequence[Window]]) -> list[Any]:
    """Ask for batches from a thread each while another one's call runs, then let it go on; return what they get."""
    device.may_go_on.clear()
    found: list[Any] = [None] * len(batches)

    def ask(place: int) -> None:
        try:
            found[place] = gathering(batches[place])["logit"].tolist()
        except BaseException as error:
            found[place] = error

    first = threading.Thread(target=lambda: gathering([window(999)]))
    first.start()
    assert device.has_begun.wait(SECONDS)
    threads = []
    for place in range(len(batches)):
        threads.append(threading.Thread(target=ask, args=(place,)))
        threads[-1].start()
        until = time.monotonic() + SECONDS
        while len(gathering._state.waiting) <= place and time.monotonic() < until:
            time.sleep(0.001)
    device.may_go_on.set()
    for thread in (first, *threads):
        thread.join(SECONDS)
        assert not thread.is_alive()
    return found


def test_what_waits_while_a_call_runs_goes_into_the_next_one_in_order():
    device = Device()
    gathering = Gathering(device, 8)
    batches = [[window(1), window(2)], [window(3)], [window(4), window(5), window(6)]]
    assert held_up(device, gathering, batches) == [[1, 2], [3], [4, 5, 6]]
    assert device.calls == [[999], [1, 2, 3, 4, 5, 6]]


def test_a_call_is_never_larger_than_it_may_be_and_of_one_length():
    device = Device()
    gathering = Gathering(device, 3)
    batches = [[window(1), window(2)], [window(3), window(4)], [window(5, slots=4)], [window(6)]]
    assert held_up(device, gathering, batches) == [[1, 2], [3, 4], [5], [6]]
    assert device.calls == [[999], [1, 2, 6], [3, 4], [5]]


def test_an_error_is_that_of_the_clip_that_has_it():
    device = Device()
    device.poison[3] = ZeroDivisionError("a fault")
    found = held_up(device, Gathering(device, 8), [[window(1)], [window(3)], [window(4)]])
    assert found[0] == [1] and found[2] == [4] and isinstance(found[1], ZeroDivisionError)
    assert device.calls == [[999], [1, 3, 4], [1], [3], [4]]


def test_who_is_interrupted_while_it_runs_leaves_the_rest_to_the_others():
    device = Device()
    device.poison[1] = KeyboardInterrupt()
    found = held_up(device, Gathering(device, 8), [[window(1)], [window(2)], [window(3)]])
    # Whichever thread ran the call of all three was interrupted; the windows of the first are poisoned for all.
    assert sum(isinstance(one, KeyboardInterrupt) for one in found) >= 1
    assert all(isinstance(one, KeyboardInterrupt) or one in ([2], [3]) for one in found)


def test_a_caller_that_is_alone_does_not_wait():
    device = Device()
    gathering = Gathering(device, 8, wait_seconds=SECONDS)
    began = time.monotonic()
    assert [gathering([window(number)])["logit"].tolist() for number in range(5)] == [[0], [1], [2], [3], [4]]
    assert time.monotonic() - began < SECONDS / 4


def test_waiting_for_others_has_an_end():
    device = Device()
    gathering = Gathering(device, 64, wait_seconds=0.05)
    began = time.monotonic()
    assert held_up(device, gathering, [[window(1)]]) == [[1]]
    assert time.monotonic() - began < SECONDS / 4 and not gathering._state.is_crowded


def test_many_threads_get_what_is_theirs_and_calls_never_overlap():
    device = Device(slow=0.0005)
    device.poison = {number: ValueError(str(number)) for number in range(7, 4000, 50)}
    gathering = Gathering(device, 16, wait_seconds=0.001)

    def clip(first: int) -> None:
        for number in range(first, first + 100):
            slots = 3 + number % 2
            try:
                assert gathering([window(number, slots)])["logit"].tolist() == [number]
                assert number not in device.poison
            except ValueError as error:
                assert str(error) == str(number) and number in device.poison

    in_threads(clip, [100 * thread for thread in range(8)])
    assert device.most_at_once == 1
    assert max(map(len, device.calls)) > 1 and not gathering._state.waiting and not gathering._state.is_running
    assert {number for call in device.calls for number in call} == set(range(800))


def test_batches_that_do_not_fit_are_halved_and_stay_small(caplog):
    sizes = []

    def small(batch: Sequence[Window]) -> Outputs:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1")
        return {"logit": np.array([one.first_slot for one in batch], np.float32)}

    shrinking = Shrinking(small)
    windows = [window(number) for number in range(9)]
    assert shrinking(windows)["logit"].tolist() == list(range(9))
    assert len(caplog.records) == 2 and "from now on 3" in caplog.text
    del sizes[:]
    assert shrinking(windows)["logit"].tolist() == list(range(9)) and max(sizes) == 3


def test_other_errors_and_a_window_that_does_not_fit_alone_come_out():
    def fail(batch: Sequence[Window]) -> Outputs:
        calls.append(len(batch))
        raise RuntimeError(says)

    for says, expected in (("a node failed", [4]), ("CUDA_ERROR_OUT_OF_MEMORY", [4, 2, 1])):
        calls: list[int] = []
        with pytest.raises(RuntimeError, match=says):
            Shrinking(fail)([window(number) for number in range(4)])
        assert calls == expected
