# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from tool_module import load_tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ablate() -> ModuleType:
    return load_tool("training/ablate")


def leave(folder: Path, fused: float, finished: bool = True, step: int = 300) -> None:
    folder.mkdir(parents=True)
    figures = {"val/fused_auc": fused, "val/video_auc": 0.6, "val/audio_auc": 0.5}
    record = {"finished": finished, "step": step, "commit": "abc", "device": "cpu", "threads": 2, "figures": figures}
    (folder / "run.json").write_text(json.dumps(record))


def test_finished_runs_are_not_repeated(
    ablate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "full_0", 0.7)
    leave(tmp_path / "full_1", 0.8, step=290)
    leave(tmp_path / "video_only_0", 0.6)
    leave(tmp_path / "video_only_1", 0.5, finished=False)
    started: list[str] = []

    def pretend(run: object, options: object, more: object) -> bool:
        started.append(f"{run.name}_{run.seed}")  # type: ignore[attr-defined]
        return False

    monkeypatch.setattr(ablate, "trained", pretend)
    code = ablate.main(
        ["--runs", str(tmp_path), "--seeds", "2", "--only", "full", "video_only", "--", "--data.batches=9"]
    )
    assert code == 3 and started == ["video_only_1"]
    lines = capsys.readouterr().out.splitlines()
    assert "| full | 2 | 290 to 300 | 0.750 ± 0.071 | 0.600 ± 0.000 | 0.500 ± 0.000 |  |" in lines
    assert "| video_only | 1 | 300 | 0.600 | 0.600 |  |  |" in lines
    assert any("commit abc" in line and "--data.batches=9" in line for line in lines)


def test_a_run_is_started_with_its_overlay_seed_and_limit(ablate: ModuleType, tmp_path: Path) -> None:
    words = ablate.Run("naive_concat", 2, tmp_path).command(["a.tar"], 90.5, ["--data.batches=9"])
    assert words[2:7] == ["fit", "--config", str(ROOT / "configs/ablation/full.yaml"), "--config", words[6]]
    assert words[6].endswith("naive_concat.yaml")
    assert {"--seed_everything=2", "--data.seed=2", "--trainer.max_time=00:01:30:30", '--data.shards=["a.tar"]'} <= set(
        words
    )
    assert words[-1] == "--data.batches=9"


def test_every_ablation_has_its_file(ablate: ModuleType) -> None:
    assert {path.stem for path in (ROOT / "configs" / "ablation").glob("*.yaml")} == set(ablate.NAMES)
