# SPDX-License-Identifier: Apache-2.0
"""The README says what is so: its blocks are run, its tables compared with the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from requirements import needs
from tool_module import load_tool

from cad.cli import ExitCode, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERDICT = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+\.\d+")
needs_weights = needs("weights")


RECIPES = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def between(name: str) -> str:
    found = re.search(rf"<!-- {name}:start -->(.*?)<!-- {name}:end -->", README, re.DOTALL)
    assert found, f"the README lacks the markers of {name}"
    return found[1]


@needs_weights
@pytest.mark.parametrize("block", [*blocks("python"), *blocks("python", RECIPES)])
def test_python_blocks_run(block, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(block, "block", "exec"), {})
    assert capsys.readouterr().out


def test_there_are_at_least_ten_recipes():
    assert len(blocks("python", RECIPES)) >= 10


@needs_weights
@pytest.mark.parametrize("block", blocks("console"))
def test_console_blocks_print_what_they_say(block, monkeypatch, capsys):
    """The words must be the same; numbers may differ by what the README says of other processors."""
    monkeypatch.chdir(ROOT)
    command, *said = block.rstrip().splitlines()
    program, *arguments = shlex.split(command.removeprefix("$ "))
    assert program == "cad-detect"
    with pytest.raises(SystemExit):
        main(arguments)
    shown = capsys.readouterr().out.rstrip().splitlines()
    assert [NUMBER.sub("#", line) for line in shown] == [NUMBER.sub("#", line) for line in said]
    for line_shown, line_said in zip(shown, said, strict=True):
        now, then = (list(map(float, NUMBER.findall(line))) for line in (line_shown, line_said))
        # Synchrony follows the crops most closely, and with it the ends of segments, whose step is a slot.
        most = 0.051 if re.search(r"sync|segment", line_said) else 0.011
        assert now == pytest.approx(then, abs=most), line_said


@needs_weights
def test_the_readme_shows_the_output_of_its_first_line():
    said = "$ cad-detect tests/data/astronaut_fake.mp4"
    assert said in between("example"), "run tools/release/fill_readme.py example"


@needs_weights
def test_the_readme_has_measured_figures():
    assert "|" in between("figures"), "run tools/release/fill_readme.py figures TABLE.md"


def test_a_section_is_replaced_between_its_markers_and_nowhere_else():
    tool = load_tool("release/fill_readme")
    text = "a\n<!-- figures:start -->\nold\n<!-- figures:end -->\nb\n"
    assert tool.fill(text, "figures", "| new |") == "a\n<!-- figures:start -->\n| new |\n<!-- figures:end -->\nb\n"
    with pytest.raises(ValueError, match="0 times"):
        tool.fill("a", "figures", "new")
    assert tool.tables([ROOT / "CONTRIBUTING.md"]).startswith("### Contributing")


def test_set_up_lines_are_there_as_promised():
    text = README
    assert "pip install . && cad-detect tests/data/astronaut_fake.mp4" in text
    assert "pip install -e '.[dev,train]' && pytest" in text


def test_the_table_of_exit_codes_has_every_code():
    for code in ExitCode:
        assert re.search(rf"\b{code.value}\b", README), f"{code.name} is not in the README"


def test_links_to_files_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_key_of_the_document_is_documented():
    from made_analysis import analysis, face
    from tiny_model import tiny_spec

    from cad.verdict.judge import judge

    document = judge(analysis(face(0, 100, video=3.0)), tiny_spec()).to_dict()
    json.dumps(document, allow_nan=False)
    for key, value in document.items():
        nested = value if isinstance(value, dict) else value[0] if isinstance(value, list) and value else {}
        for name in (key, *(nested if key != "seconds" else {})):
            assert f"`{name}`" in VERDICT, f"key {name} is not in docs/verdict.md"
