# SPDX-License-Identifier: Apache-2.0
"""The frame around every script."""

from __future__ import annotations

import pytest

from cad.command import run_command
from cad.errors import CadError


def raising(error: BaseException):
    def work() -> int:
        raise error

    return work


def test_the_code_of_the_work_passes_through():
    assert run_command(lambda: 3, "tool") == 3


@pytest.mark.parametrize("error", [CadError("two\nlines"), OSError("two\nlines")])
def test_a_fault_of_the_input_is_one_line(capsys, error):
    assert run_command(raising(error), "tool") == 2
    assert capsys.readouterr() == ("", "tool: two lines\n")


def test_an_interruption_is_quiet(capsys):
    assert run_command(raising(KeyboardInterrupt()), "tool") == 130
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()), "tool")
