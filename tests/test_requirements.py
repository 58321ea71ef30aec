# SPDX-License-Identifier: Apache-2.0
"""CAD_REQUIRE turns skips into failures, and no test skips past it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requirements
from requirements import VARIABLE, Requirement

pytest_plugins = ["pytester"]
TESTS = Path(__file__).parent
CI_RUN = TESTS.parent / ".ci" / "run"
#: One test for each way to ask for a requirement.
SUITE = """
    import pytest
    from requirements import give_up, needs, require

    @pytest.fixture
    def in_a_fixture():
        require("ffmpeg")

    def test_by_fixture(in_a_fixture): pass
    def test_by_call(): require("ffmpeg")
    def test_by_itself(): give_up("ffmpeg", "another ffmpeg")
    @needs("linux", "ffmpeg")
    def test_by_marker(): pass
    @pytest.mark.gpu
    def test_on_the_gpu(): pass
    def test_of_nothing(): pass
"""


@pytest.fixture
def outcomes(pytester, monkeypatch):
    """Run SUITE on a machine with neither ffmpeg nor a GPU; return how many of its tests ended how."""
    pytester.makeconftest("from requirements import pytest_configure, pytest_runtest_setup")
    pytester.makeini("[pytest]\nmarkers = gpu: needs a CUDA device\naddopts = --strict-markers")
    pytester.makepyfile(SUITE)
    there, missing = Requirement(lambda: True, "this"), Requirement(lambda: False, "that")
    for name, state in (("linux", there), ("ffmpeg", missing), ("gpu", missing)):
        monkeypatch.setitem(requirements.REQUIREMENTS, name, state)

    def run(required: str | None) -> dict[str, int]:
        monkeypatch.delenv(VARIABLE, raising=False)
        if required is not None:
            monkeypatch.setenv(VARIABLE, required)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes()

    return run


def test_what_is_missing_is_skipped_by_default(outcomes):
    assert outcomes(None) == {"passed": 1, "skipped": 5}
    assert outcomes("") == {"passed": 1, "skipped": 5}
    assert outcomes("linux,train") == {"passed": 1, "skipped": 5}


def test_what_is_required_and_missing_fails(outcomes):
    # In a fixture or a marker it is an error, in the test a failure; both end pytest with 1.
    assert outcomes("ffmpeg") == {"passed": 1, "skipped": 1, "failed": 2, "errors": 2}
    assert outcomes(" gpu , linux") == {"passed": 1, "skipped": 4, "errors": 1}
    assert outcomes("ffmpeg,gpu") == {"passed": 1, "failed": 2, "errors": 3}


def test_a_misspelt_requirement_ends_the_run(pytester, outcomes, monkeypatch):
    monkeypatch.setenv(VARIABLE, "ffmepg")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*CAD_REQUIRE: unknown ffmepg; known are *ffmpeg*")


def test_a_misspelt_need_is_refused():
    with pytest.raises(AssertionError, match="ffmepg"):
        requirements.needs("ffmepg")


def test_every_check_can_be_made_and_has_a_hint():
    assert all(isinstance(one.is_met(), bool) and one.hint for one in requirements.REQUIREMENTS.values())


def test_no_test_skips_by_itself():
    found = re.compile(r"\b(pytest\.skip|importorskip|skipif|mark\.skip|SkipTest|skipTest)\b")
    own = {TESTS / "requirements.py", Path(__file__)}
    skipping = [path.name for path in TESTS.rglob("*.py") if path not in own and found.search(path.read_text("utf-8"))]
    assert skipping == [], "ask through tests/requirements.py, so that CAD_REQUIRE knows of it"


def test_the_full_run_requires_what_it_installs():
    (line,) = re.findall(r"^export CAD_REQUIRE=(\S+)$", CI_RUN.read_text("utf-8"), re.MULTILINE)
    assert set(line.split(",")) <= requirements.REQUIREMENTS.keys()
    assert {"ffmpeg", "train", "weights"} <= set(line.split(","))


def test_contributing_names_every_requirement():
    text = (TESTS.parent / "CONTRIBUTING.md").read_text("utf-8")
    assert [name for name in requirements.REQUIREMENTS if f"`{name}`" not in text] == []
