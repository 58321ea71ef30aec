# SPDX-License-Identifier: Apache-2.0
"""The frame around every script."""

from __future__ import annotations

import signal

import pytest

from cad.command import Stopped, run_command
from cad.errors import CadError, WeightsError


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


def test_a_fault_of_ours_keeps_its_traceback(capsys):
    assert run_command(raising(ZeroDivisionError("boom")), "tool") == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1] == "tool: a fault of this program: ZeroDivisionError: boom"
    assert run_command(raising(ZeroDivisionError("boom")), "tool", shows_trace=False) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "tool: a fault of this program: ZeroDivisionError: boom (-v shows where)"


@pytest.mark.parametrize(("code", "passed"), [(None, 0), (0, 0), (2, 2), (143, 143), (1, 70), ("words", 70)])
def test_only_codes_that_mean_what_they_say_pass(capsys, code, passed):
    assert run_command(raising(SystemExit(code)), "tool") == passed


def test_weights_that_cannot_be_used_have_a_code_of_their_own(capsys):
    assert run_command(raising(WeightsError("none")), "tool") == 4


def test_whoever_reads_the_output_may_go_away(capsys):
    assert run_command(raising(BrokenPipeError()), "tool") == 141
    assert capsys.readouterr() == ("", "")


def test_a_name_in_an_error_does_not_reach_the_terminal(capsys):
    run_command(raising(OSError("a\x1b[2J\u202eb")), "tool")
    assert capsys.readouterr().err == "tool: a\\x1b[2J\\u202eb\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_its_code_and_handlers_are_as_before(capsys, number):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert run_command(raising(Stopped(number)), "tool") == 128 + number
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert capsys.readouterr() == ("", "")
