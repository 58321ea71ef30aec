# SPDX-License-Identifier: Apache-2.0
"""Whole runs of the command line with a tiny net: what they leave, and that nothing is lost by stopping them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_runs import config, fit_elsewhere

from cad.errors import DataError, OptionError
from cad.training.cli import main


@pytest.fixture(scope="module", autouse=True)
def keep_threads_and_path() -> Iterator[None]:
    threads = torch.get_num_threads()
    sys.path.insert(0, str(Path(__file__).parent))
    yield
    sys.path.remove(str(Path(__file__).parent))
    torch.set_num_threads(threads)


def fit(path: Path, content: dict[str, Any], *words: str) -> Any:
    path.write_text(yaml.safe_dump(content))
    return main(["fit", "--config", str(path), *words])


def assert_same_weights(one: Path, two: Path) -> None:
    a, b = load_file(one), load_file(two)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def whole_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    # In a process of its own, as the run that is killed: results differ in the last bit with the threads of BLAS.
    done = fit_elsewhere(folder / "config.in.yaml", config(shards, folder / "run"))
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run"


def test_a_run_keeps_what_it_was(whole_run: Path) -> None:
    record = json.loads((whole_run / "run.json").read_text())
    assert record["finished"] and record["step"] == 6 and record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert record["figures"]["val/mean_auc"] == pytest.approx(record["figures"]["val/mean_auc"])
    assert {"val/fused_auc", "val/video_auc", "val/audio_auc", "val/sync_shift_auc"} <= record["figures"].keys()
    resolved = yaml.safe_load((whole_run / "config.yaml").read_text())["fit"]
    assert resolved["data"]["batches"] == 12 and resolved["model"]["optimizer"]["weight_decay"] == 0.01
    rows = list(csv.DictReader((whole_run / "sources.csv").open()))
    assert {row["source"] for row in rows} == {"av_page0", "av_page1", "speech_page0", "speech_page1"}
    assert (whole_run / "best" / "model.safetensors").exists() and (whole_run / "best" / "config.json").exists()
    assert list(whole_run.glob("csv/version_0/metrics.csv")) and list(whole_run.glob("tensorboard/version_0/events*"))


def test_frozen_parts_stand_still_and_the_rest_learns(whole_run: Path) -> None:
    state = torch.load(whole_run / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    import tiny

    torch.manual_seed(5)
    fresh = tiny.TinyNet().state_dict()
    moved = {name for name, value in fresh.items() if not torch.equal(value, state[f"net.{name}"])}
    assert not any(name.startswith("face.") for name in moved)
    assert {"heads.weight", "voice.0.weight", "norm.running_mean"} <= moved


def test_killed_and_resumed_is_as_if_nothing_had_happened(shards: Path, whole_run: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path / "run")
    cut = {
        **content,
        "trainer": {**content["trainer"], "callbacks": [{"class_path": "tiny.Killed", "init_args": {"after": 9}}]},
    }
    killed = fit_elsewhere(tmp_path / "cut.yaml", cut)
    assert killed.returncode == -9, killed.stderr[-3000:]
    stopped = torch.load(tmp_path / "run" / "last.ckpt", map_location="cpu", weights_only=True)
    assert stopped["global_step"] == 4
    resumed = fit_elsewhere(tmp_path / "on.yaml", content, "--run.resume=true")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert_same_weights(whole_run / "model.safetensors", tmp_path / "run" / "model.safetensors")
    one, two = (
        torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)
        for folder in (whole_run, tmp_path / "run")
    )
    assert one["state_dict"].keys() == two["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name
    assert one["lr_schedulers"][0]["last_epoch"] == two["lr_schedulers"][0]["last_epoch"] == 6


def test_a_run_is_not_overwritten_by_accident(shards: Path, whole_run: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"holds a run: go on with --run\.resume=true"):
        fit(tmp_path / "config.yaml", config(shards, whole_run))


def test_parts_of_earlier_runs_are_taken_over(shards: Path, whole_run: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path / "run")
    content["model"]["start_from"] = [{"path": str(whole_run / "model.safetensors"), "prefixes": ["voice.", "norm."]}]
    content["model"]["optimizer"]["groups"] = [
        {"match": "heads.*", "learning_rate": 0.01},
        {"match": "*", "learning_rate": 0.0},
    ]
    content["data"]["batches"] = 2
    fit(tmp_path / "config.yaml", content, "--trainer.val_check_interval=2")
    before, after = load_file(whole_run / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    for name in before:
        if name.startswith(("voice.", "norm.")):
            # The norm's running statistics rest too, though they are no parameters.
            assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["heads.weight"], after["heads.weight"])
    content["model"]["start_from"] = [{"path": str(whole_run), "prefixes": ["ears."]}]
    with pytest.raises(OptionError, match=r"part 'ears\.'"):
        fit(tmp_path / "config2.yaml", content, f"--run.folder={tmp_path / 'run2'}")


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ([{"match": "heads.*", "learning_rate": 0.1}], r"no parameter group matches face\.0\.weight"),
        (
            [{"match": "ears.*", "learning_rate": 0.1}, {"match": "*", "learning_rate": 0.1}],
            r"'ears\.\*' matches nothing",
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(shards: Path, tmp_path: Path, groups: list[Any], text: str) -> None:
    content = config(shards, tmp_path / "run")
    content["model"]["optimizer"]["groups"] = groups
    with pytest.raises(OptionError, match=text):
        fit(tmp_path / "config.yaml", content)


def test_unknown_options_are_refused(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = config(shards, tmp_path / "run")
    content["data"]["batch_sice"] = 3
    with pytest.raises(SystemExit):
        fit(tmp_path / "config.yaml", content)
    assert "batch_sice" in capsys.readouterr().err


def test_bad_data_stops_before_the_first_step(shards: Path, tmp_path: Path) -> None:
    content = config(tmp_path / "none", tmp_path / "run")
    with pytest.raises(DataError, match="no shard"):
        fit(tmp_path / "config.yaml", content)
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_two_processes_train_together(shards: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path / "run")
    content["trainer"] |= {"devices": 2, "strategy": "ddp", "accumulate_grad_batches": 1, "val_check_interval": 4}
    content["data"] |= {"batches": 4, "batch_size": 2}
    done = fit_elsewhere(tmp_path / "config.yaml", content)
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["processes"] == 2 and record["step"] == 4 and record["finished"]
    assert 0 <= record["figures"]["val/fused_auc"] <= 1


@pytest.mark.parametrize("precision", ["bf16-mixed", pytest.param("16-mixed", marks=pytest.mark.gpu)])
def test_half_precision_and_early_stopping(shards: Path, tmp_path: Path, precision: str) -> None:
    content = config(shards, tmp_path / "run")
    # The tiny net says about 0 of every offset, which no shifted window has: the figure never gets better.
    content["run"] |= {"patience": 1, "monitor": "val/offset_right"}
    content["trainer"] |= {
        "precision": precision,
        "accelerator": "auto" if precision == "16-mixed" else "cpu",
        "val_check_interval": 2,
    }
    cli = fit(tmp_path / "config.yaml", content)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert cli.trainer.precision == precision and record["precision"] == precision
    # Validations after batches 2 and 4; the second is the first that is no better.
    assert record["step"] == 2 and record["figures"]["val/offset_right"] == 0.0
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())
