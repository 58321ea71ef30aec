# SPDX-License-Identifier: Apache-2.0
"""The README's five lines, from a downloaded benchmark to a verdict of the model trained on it, run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from miniature_benchmarks import write_fakeavceleb, write_lavdf, write_talking_head
from requirements import needs

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.slow, needs("train", "weights")]


def five_lines() -> list[str]:
    block = re.search(r"<!-- five lines -->\n```\n(.*?)```", README, re.DOTALL)
    assert block, "the README lacks its five lines"
    return block[1].strip().splitlines()


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, so that what a line writes beside it goes away with the test."""
    for name in ("cad", "configs", "datasets", "export", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run(line: str, folder: Path, expected: int = 0) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "COLUMNS": "200"}
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_five_lines_are_five():
    lines = five_lines()
    assert [line.split()[1 if line.startswith("python") else 0] for line in lines] == [
        "datasets/prepare.py", "tools/train.py", "tools/evaluate.py", "export/to_onnx.py", "cad-detect",
    ]  # fmt: skip


def test_fakeavceleb_from_the_archive_to_a_verdict(workshop):
    write_fakeavceleb(workshop / "FakeAVCeleb_v1.2")
    write_talking_head(workshop / "clip.mp4", 40)
    prepare, fit, evaluate, export, detect = five_lines()

    run(prepare, workshop)
    trained = run(fit, workshop)
    assert "runs/fav/best" in trained.stdout + trained.stderr
    assert (workshop / "runs" / "fav" / "best" / "model.safetensors").is_file()

    report = run(evaluate, workshop).stdout
    for name in ("RVFA", "FVRA-FS", "FVFA-WL"):
        assert name in report, report

    run(export, workshop)
    verdict = json.loads(run(f"{detect} --json", workshop).stdout)
    assert verdict["model"]["name"] == "fav_model"
    # Nothing was calibrated, so that no label may be given.
    assert verdict["label"] == "inconclusive"
    assert "uncalibrated" in [reason["code"] for reason in verdict["reasons"]]


def test_lavdf_with_its_forged_stretches(workshop):
    write_lavdf(workshop / "LAV-DF")
    write_talking_head(workshop / "clip.mp4", 40)
    words = {"fakeavceleb_identity": "localisation", "fakeavceleb": "lavdf", "FakeAVCeleb_v1.2": "LAV-DF"}
    lines = five_lines()
    for old, new in words.items():
        lines = [line.replace(old, new) for line in lines]
    prepare, fit, evaluate, export, detect = lines
    run(prepare, workshop)
    run(fit, workshop)
    assert "AP" in run(f"{evaluate} --split test", workshop).stdout
    run(export, workshop)
    assert json.loads(run(f"{detect} --json", workshop).stdout)["label"] == "inconclusive"
