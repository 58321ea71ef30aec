# SPDX-License-Identifier: Apache-2.0
"""The embedding kit is written whole, describes what lies in it, and takes no other folder's place."""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from requirements import needs

from cad.errors import ExportError
from cad.weights import find_entry

pytestmark = needs("train", "weights")
PROGRAM = Path(__file__).resolve().parents[2] / "export" / "embedding.py"
MODEL = "cad_small_3"


def run_program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cad.export.embedding.kit import write_kit

    folder = tmp_path_factory.mktemp("kit") / "deep" / "kit"
    write_kit(str(find_entry(MODEL).path.parent), folder)
    return folder


def test_every_file_is_described_and_has_its_sha256(kit: Path) -> None:
    from cad.export.embedding.kit import FILES, KIT_NAME, REFERENCE_NAMES

    described = json.loads((kit / KIT_NAME).read_text(encoding="utf-8"))
    assert described["schema"] == "cad.kit/1" and described["model"] == MODEL
    held = {file.name for file in kit.iterdir()}
    assert held == set(FILES) == {KIT_NAME, *described["files"], *described["reference"]}
    for name in REFERENCE_NAMES:
        assert described["reference"][name] == hashlib.sha256((kit / name).read_bytes()).hexdigest()
    for name, file in described["files"].items():
        content = (kit / name).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest() and file["bytes"] == len(content)
    find = described["files"]["face_find.onnx"]
    assert find["inputs"][1] == {"name": "long_side", "type": "int64", "shape": []}
    assert find["outputs"][1] == {"name": "points", "type": "float32", "shape": ["faces", 5, 2]}
    assert (kit / "model.onnx").read_bytes() == find_entry(MODEL).path.read_bytes()
    assert [one for one in kit.parent.iterdir() if one != kit] == []


def test_constants_are_those_of_the_package(kit: Path) -> None:
    described = json.loads((kit / "kit.json").read_text(encoding="utf-8"))
    for module, values in described["constants"].items():
        package = importlib.import_module(module)
        for name, value in values.items():
            own = getattr(package, name, None) if hasattr(package, name) else getattr(package, f"_{name}")
            assert np.shape(value) == np.shape(own)
            assert value == own if isinstance(own, dict) else np.allclose(value, own, rtol=1e-6, atol=0)


def test_the_same_weights_give_the_same_kit(kit: Path, tmp_path: Path) -> None:
    from cad.export.embedding.kit import write_kit

    again = write_kit(MODEL, tmp_path / "kit")
    assert again["files"] == json.loads((kit / "kit.json").read_text(encoding="utf-8"))["files"]
    assert write_kit(MODEL, tmp_path / "kit") == again  # a kit is replaced


def test_what_is_no_kit_stays(tmp_path: Path) -> None:
    from cad.export.embedding.kit import check_replaceable

    (tmp_path / "folder").mkdir()
    check_replaceable(tmp_path / "folder")
    (tmp_path / "folder" / "letter.txt").write_text("dear")
    with pytest.raises(ExportError, match=r"not a kit that was written here \(it holds letter\.txt\)"):
        check_replaceable(tmp_path / "folder")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.onnx").write_bytes(b"mine")
    with pytest.raises(ExportError, match=r"it holds model\.onnx"):
        check_replaceable(tmp_path / "other")
    with pytest.raises(ExportError, match="is no folder"):
        check_replaceable(tmp_path / "other" / "model.onnx")


def test_a_kit_that_cannot_be_written_leaves_the_old_one(
    kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cad.export.embedding import kit as module

    def full_disk(path: Path) -> None:
        raise OSError("no space left")

    place = tmp_path / "kit"
    module.write_kit(MODEL, place)
    before = {file.name: file.stat().st_mtime_ns for file in place.iterdir()}
    monkeypatch.setattr(module, "_described", full_disk)
    with pytest.raises(OSError, match="no space"):
        module.write_kit(MODEL, place)
    assert {file.name: file.stat().st_mtime_ns for file in place.iterdir()} == before
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--model", "cad_smal", "--output", "KIT"], 4, "there are no weights called 'cad_smal'"),
        (["--model", "face_yunet_s2", "--output", "KIT"], 4, "are face weights; a detector is needed"),
        (["--model", MODEL], 2, "--output"),
        (["--model", MODEL, "--output", __file__], 2, "is no folder"),
    ],
)
def test_the_program_says_in_one_line_what_is_wrong(tmp_path: Path, words: list[str], code: int, says: str) -> None:
    done = run_program(*(str(tmp_path / "KIT") if word == "KIT" else word for word in words))
    assert done.returncode == code and says in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_tells_what_lies_in_a_kit() -> None:
    from cad.export.embedding.kit import FILES

    done = run_program("--help")
    assert done.returncode == 0 and all(name in done.stdout for name in FILES)


def test_a_kit_is_written_without_torch(tmp_path: Path) -> None:
    code = "import sys, cad.export.embedding.kit; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
