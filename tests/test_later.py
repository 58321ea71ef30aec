# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from cad.later import Later


def test_work_goes_on_beside_and_is_waited_for() -> None:
    go_on = threading.Event()

    def work() -> int:
        assert go_on.wait(10)
        return threading.get_ident()

    later = Later(work)
    go_on.set()
    assert later() != threading.get_ident() and later() == later()


def test_what_the_work_raises_comes_out_every_time() -> None:
    def work() -> None:
        raise ValueError("no")

    later = Later(work)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            later()
