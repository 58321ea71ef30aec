# SPDX-License-Identifier: Apache-2.0
"""The programs of the embedding kit say of every golden clip what cad-detect says."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
from agreement import (
    FILES,
    PROGRAMS,
    SHORT,
    Command,
    Document,
    Program,
    differences,
    run,
    said_by_product,
    said_by_program,
)
from requirements import require


@pytest.fixture(scope="session")
def product() -> dict[str, Document]:
    return said_by_product()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Command]:
    """Commands of the programs that have been made ready, by name."""
    return {}


def command_of(program: Program, built: dict[str, Command], tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return the command of a program, built once."""
    for name in program.needs:
        require(name)
    if program.name not in built:
        built[program.name] = program.build(tmp_path_factory.mktemp(program.name))
    return built[program.name]


#: One test for each program; those that need a build are slow.
EACH = [pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.needs else []) for one in PROGRAMS]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_says_what_the_product_says(program, file, kit, product, built, tmp_path_factory):
    said = said_by_program(command_of(program, built, tmp_path_factory), kit, file)
    assert not differences(said, product[file.name])


@pytest.mark.slow
@pytest.mark.parametrize("program", [one for one in PROGRAMS if one.self_tests], ids=lambda program: program.name)
def test_its_self_test_passes(program, kit, built, tmp_path_factory):
    done = run(command_of(program, built, tmp_path_factory), "--self-test", kit)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("program", [one for one in EACH if one.values[0].self_tests])
def test_its_self_test_finds_a_number_that_is_off(program, kit, built, tmp_path_factory, tmp_path):
    own = tmp_path / "kit"
    shutil.copytree(kit, own, copy_function=lambda given, made: Path(made).symlink_to(given))
    document = json.loads((kit / "kit.json").read_text())
    document["constants"]["cad.verdict.aggregate"]["LIPS_LOGITS"] = 0.0
    document["spec"]["calibration"]["video"]["growth"] = 0.0
    (own / "kit.json").unlink()
    (own / "kit.json").write_text(json.dumps(document))
    done = run(command_of(program, built, tmp_path_factory), "--self-test", own)
    assert done.returncode == 4 and "verdict" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("program", EACH)
def test_its_document_is_whole(program, kit, built, tmp_path_factory):
    said = said_by_program(command_of(program, built, tmp_path_factory), kit, SHORT)
    assert list(said) == [
        "schema", "file", "kind", "label", "probability_fake", "streams", "reasons", "model", "provider",
    ]  # fmt: skip
    assert (said["schema"], said["kind"], said["model"]) == ("cad.embedded/1", "still", "cad_base_1")
    assert said["file"] == str(SHORT) and said["streams"]["audio"] is None and "still_image" in said["reasons"]
    assert said["provider"]
    assert not differences(said, said_by_product((SHORT,))[SHORT.name])


@pytest.mark.parametrize("program", EACH)
def test_bad_input_gets_a_line_and_a_code(program, kit, built, tmp_path_factory, tmp_path):
    command = command_of(program, built, tmp_path_factory)
    (tmp_path / "text.mp4").write_text("no media at all")
    (tmp_path / "empty").mkdir()
    for code, *arguments in (
        (2,),
        (3, kit, tmp_path / "text.mp4"),
        (3, kit, "/none.mp4"),
        (4, tmp_path / "empty", SHORT),
    ):
        done = run(command, *arguments)
        assert (done.returncode, done.stdout) == (code, ""), (arguments, done.stderr)
        assert done.stderr and "Traceback" not in done.stderr
        assert code == 2 or len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_difference_is_seen(product):
    one = product["talking.mp4"]
    said = {
        "label": one["label"],
        "probability_fake": one["probability_fake"],
        "streams": {name: stream["probability_fake"] for name, stream in one["streams"].items()},
        "reasons": [reason["code"] for reason in one["reasons"]],
    }
    assert differences(said, one) == []
    for change in ({"label": "real"}, {"probability_fake": None}, {"reasons": []}):
        assert differences({**copy.deepcopy(said), **change}, one)
    said["streams"]["video"] += 0.03
    assert differences(said, one)
