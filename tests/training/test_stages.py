# SPDX-License-Identifier: Apache-2.0
"""The stages of ``cad_small`` run one after another; finished ones are passed over."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cad.errors import OptionError
from cad.training import stages
from cad.training.cli import main
from cad.training.task import CadTask


def test_stages_run_in_order_and_go_on_where_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    failing = "video"

    def finish(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        words = dict(word.split("=", 1) for word in command if word.startswith("--") and "=" in word)
        folder = Path(words.get("--run.folder") or words["--out"])
        ran.append(folder.name)
        assert words["--data.manifest"] == '["a.csv", "b.csv"]'
        assert words["--data.shard_folder"] == str(tmp_path / "shards")
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == "audio_head":
            (folder / "model.safetensors").touch()
            (folder / "metrics.json").touch()
        else:
            (folder / "run.json").write_text(json.dumps({"finished": folder.name != failing}))
        return subprocess.CompletedProcess(command, int(folder.name == failing))

    monkeypatch.setattr(subprocess, "run", finish)
    words = ["--data.manifest", "a.csv", "b.csv", "--run.folder", str(tmp_path / "all")]
    assert stages.run_stages(words) == 1
    assert ran == ["sync", "video"] and "ended with status 1" in caplog.text
    failing = ""
    assert stages.run_stages(words) == 0 and ran == ["sync", "video", "video", "audio_head", "whole"]
    assert stages.run_stages(words) == 0 and len(ran) == 5
    with pytest.raises(OptionError, match=r"--trainer\.max_epochs=2 is no option of every stage"):
        stages.run_stages([*words, "--trainer.max_epochs=2"])


@pytest.mark.parametrize("stage", [stage for stage in stages.STAGES if stage.name != "audio_head"])
def test_a_stage_begins_from_those_before_it(stage: stages.Stage, tmp_path: Path) -> None:
    command = stages.command_of(stage, tmp_path, "cad_small", ["--data.manifest=a.csv"])
    config = command[command.index("--config") + 1]
    words = [word for word in command if word.startswith(("--model.", "--data.", "--run."))]
    starts: list[dict[str, Any]] = json.loads(next(word for word in words if "start_from" in word).split("=", 1)[1])
    assert [Path(start["path"]).name for start in starts] == [name if name != "lips" else "cad_small"
                                                             for name, _ in stage.starts]  # fmt: skip
    words = [word for word in words if "start_from" not in word]
    cli = main(
        ["--config", config, *words, "--model.start_from=[]", "--model.net.init_args.pretrained=false"], run=False
    )
    assert isinstance(cli.model, CadTask) and cli.datamodule.manifests == ["a.csv"]
