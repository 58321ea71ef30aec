# SPDX-License-Identifier: Apache-2.0
"""tools/bench.py gpu where there is no card: it walks the whole way, keeps what it has, and invents nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from benchmarks import gpu, gpu_parts
from benchmarks.gpu_settings import PARTS, Settings, for_cpu, for_rehearsal, read_settings
from benchmarks.gpu_table import CARD_BATCHES, MISSING, table
from requirements import has_gpu, needs
from tool_module import TOOLS

FIGURES: dict[str, Any] = {
    "date": "2026-01-01", "rehearsal": False, "model": "made", "device": "cuda", "seconds": 9.0,
    "died": {"tensorrt": "stopped after its 90 s"},
    "rows": [
        {"part": "ceilings", "what": "matmul fp32", "tflops": 50.0},
        {"part": "torch_eager", "what": "torch eager", "flops_per_window": 5e9},
        {"part": "torch_eager", "what": "torch eager", "precision": "fp32", "batch": 8, "windows_per_second": 1000.0},
        {"part": "torch_eager", "what": "torch eager", "precision": "fp32", "batch": 16, "not_measured": "no memory"},
        {"part": "parity", "what": "verdicts, cuda", "clips": 10, "same_label": 9, "worst_probability": 0.0123},
    ],
}  # fmt: skip


def cells(page: str, name: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_table_holds_what_was_measured_and_nothing_else():
    page = table(FIGURES)
    eager = dict(zip(CARD_BATCHES, cells(page, "torch eager, fp32"), strict=True))
    assert eager.pop(8) == "1e+03 (10 %)" and set(eager.values()) == {MISSING}
    assert set(cells(page, "onnxruntime cuda, fp32")) == {MISSING}
    assert cells(page, "verdicts, cuda") == ["0.012", "9 of 10"]
    assert "- torch eager fp32: no memory" in page and "- the rest of tensorrt: stopped after its 90 s" in page
    assert f"card: {MISSING}" in page


def test_without_a_card_everything_of_a_card_is_not_measured():
    page = table({**FIGURES, "device": "cpu", "rows": [], "died": {}})
    for what in ("onnxruntime cuda", "onnxruntime tensorrt", "torch eager", "torch.compile (inductor)"):
        for precision in ("fp32", "fp16"):
            assert f"| {what}, {precision}, on a card |" in page
    assert "the card: not measured" in page and "| a card | - | not measured | not measured |" in page


def test_settings_travel_to_the_processes_of_the_parts(tmp_path):
    for settings in (Settings("a", "cuda"), for_cpu("b"), for_rehearsal("cpu")):
        settings.write(tmp_path / "settings.json")
        assert read_settings(tmp_path / "settings.json") == settings
    assert max(Settings("a", "cuda").batches) == 256


def test_what_fails_is_not_tried_with_more_windows_and_late_is_late():
    tried = []

    def prepare(batch: int) -> Any:
        tried.append(batch)
        if batch > 4:
            raise RuntimeError("out of\nmemory")
        return lambda: None

    settings = for_rehearsal("cpu")
    order = [2, 8, 16, 4, 1]
    rows = list(gpu_parts.batch_rows("net", "fp32", prepare, settings, time.monotonic() + 60, "cpu", order))
    assert tried == [2, 8, 4, 1] and [row["batch"] for row in rows] == order
    assert [row.get("not_measured") for row in rows] == [None, *["RuntimeError: out of memory"] * 2, None, None]
    (late,) = gpu_parts.batch_rows("net", "fp32", prepare, settings, time.monotonic() - 1, "cpu", [2])
    assert late["not_measured"] == "no time left"


def test_the_inputs_of_a_batch_are_as_many_windows_as_it_has():
    for batch in (1, 3, 4, 9):
        inputs = gpu_parts.inputs_of(batch, 12)
        assert inputs["frames"].shape == (batch, 12, 160, 160, 3) and inputs["audio"].shape == (batch, 12 * 640)


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Path:
    """Put a program in the place of the parts'."""
    path = tmp_path / "child.py"
    path.write_text(f"import json, sys, time\npart, _, rows, seconds = sys.argv[1:]\n{code}\n")
    monkeypatch.setattr(gpu, "CHILD", path)
    monkeypatch.setattr(gpu, "has_card", lambda: False)
    return path


def arguments(out: Path | None, **changes: Any) -> Any:
    import argparse

    parser = argparse.ArgumentParser()
    gpu.add_arguments(parser)
    return argparse.Namespace(**{**vars(parser.parse_args([])), "out": out, **changes})


def test_a_part_that_hangs_or_dies_costs_only_itself_and_keeps_what_it_has(tmp_path, monkeypatch):
    write = "open(rows, 'a').write(json.dumps({'part': part, 'what': part}) + '\\n')"
    child(
        tmp_path,
        monkeypatch,
        f"{write}\nif part == 'parity': time.sleep(600)\nif part == 'ceilings': sys.exit('no card left')",
    )
    began = time.monotonic()
    parts = ["machine", "ceilings", "parity", "end_to_end"]
    figures = gpu.run(arguments(tmp_path / "out", seconds=6.0, parts=parts))
    assert time.monotonic() - began < 60
    assert [row["part"] for row in figures["rows"]] == parts
    assert figures["died"]["ceilings"] == "ended with 1: no card left"
    assert figures["died"]["parity"].startswith("stopped after its") and len(figures["died"]) == 2
    assert not figures["ok"] and json.loads((tmp_path / "out" / "gpu.json").read_text()) == figures
    assert "no card left" in (tmp_path / "out" / "ceilings.log").read_text()
    assert "the rest of parity: stopped" in (tmp_path / "out" / "gpu.md").read_text()


def test_no_part_is_begun_when_the_time_is_over(tmp_path, monkeypatch):
    child(tmp_path, monkeypatch, "raise SystemExit")
    figures = gpu.run(arguments(tmp_path / "out", seconds=0.0, parts=["machine", "parity"]))
    assert figures["died"] == {"machine": "no time left", "parity": "no time left"}


@pytest.mark.slow
@needs("linux")
def test_a_run_that_is_killed_leaves_what_it_has_measured(tmp_path):
    words = [sys.executable, str(TOOLS / "bench.py"), "gpu", "--out", str(tmp_path), "--rehearse", "--parts", "machine"]
    run = subprocess.Popen([*words, "parity"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (tmp_path / "gpu.md").exists() and time.monotonic() < until:
        time.sleep(0.1)
    run.terminate()
    assert run.wait(60) != 0
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert any(row["what"] == "device cpu" and row["providers"] == ["CPUExecutionProvider"] for row in figures["rows"])


def test_it_wants_a_folder(capsys):
    done = subprocess.run(
        [sys.executable, str(TOOLS / "bench.py"), "gpu", "--rehearse"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "--out FOLDER is needed" in done.stderr


@pytest.mark.slow
@needs("train", "weights")
def test_the_rehearsal_walks_every_way(tmp_path):
    words = [sys.executable, str(TOOLS / "bench.py"), "gpu", "--out", str(tmp_path / "out"), "--rehearse"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=480)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert {row["part"] for row in figures["rows"]} == set(PARTS) and figures["died"] == {}
    timed = {row["what"] for row in figures["rows"] if "windows_per_second" in row}
    assert {"the product's scorer", "torch eager", "torch.compile (eager)"} <= timed
    (clips,) = [row for row in figures["rows"] if row["what"] == "clips" and row["jobs"] == 2]
    assert clips["verdicts"] == 4
    if not has_gpu():
        page = (tmp_path / "out" / "gpu.md").read_text()
        assert page.count("on a card | not measured | not measured |") == 8 and "A rehearsal" in page
