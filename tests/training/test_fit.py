# SPDX-License-Identifier: Apache-2.0
"""Whole runs of the command line with a tiny net: what they leave, and that nothing is lost by stopping them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from left_by_runs import assert_same_run
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
    done = fit_elsewhere(folder / "config.in.yaml", config(shards, folder / "run"))
    assert done.code == 0, done.err[-3000:]
    (folder / "run" / "said").write_text(done.out)
    (folder / "run" / "told").write_text(done.err)
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
    metrics = list(csv.DictReader((whole_run / "metrics.csv").open()))
    assert [row["step"] for row in metrics] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(row["train/loss"]) > 0 and row["learning_rate/0"] for row in metrics)
    assert [row["step"] for row in metrics if row["val/mean_auc"]] == ["3", "6"]
    assert list(whole_run.glob("tensorboard/events*"))


def test_a_run_ends_with_what_it_reached_and_what_to_type_next(whole_run: Path) -> None:
    lines = (whole_run / "said").read_text().splitlines()
    figures = json.loads((whole_run / "best" / "figures.json").read_text())
    best = whole_run / "best"
    assert lines[0].startswith(f"best: {best}, step {figures['step']}, val/mean_auc {figures['val/mean_auc']:.3f} (")
    for name in ("fused_auc", "video_auc", "audio_auc", "sync_shift_auc"):
        assert f"{name} {figures[f'val/{name}']:.3f}" in lines[0]
    assert lines[1].startswith("| set | rows | stream |") and lines[3].startswith("| shards | val | fused | 6 | 6 | ")
    assert lines[-3:] == [
        "next:",
        f"  python tools/evaluate.py --weights {best} --manifest MANIFEST --split val",
        f"  python export/to_onnx.py {best} --output run_model",
    ]


def test_a_run_says_only_what_is_its_own(whole_run: Path) -> None:
    """No advertisement, no list of absent accelerators, no warning for developers of other packages."""
    lines = (whole_run / "told").read_text().splitlines()
    assert lines and all(line.startswith("cad.training.") for line in lines), lines


def test_how_far_a_run_is_can_be_read_without_a_terminal(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = config(shards, tmp_path / "run")
    progress = {"class_path": "cad.training.progress.ProgressLines", "init_args": {"seconds": 0.0}}
    content["trainer"] |= {"callbacks": [progress], "accumulate_grad_batches": 1}
    content["data"]["batches"] = 6
    with caplog.at_level("INFO", "cad.training.progress"):
        fit(tmp_path / "config.yaml", content)
    lines = [record.getMessage() for record in caplog.records if record.name == "cad.training.progress"]
    trained = [line for line in lines if line.startswith("batch ")]
    assert [line.split(",")[0] for line in trained] == [f"batch {number} of 6" for number in range(1, 7)]
    assert re.fullmatch(r"batch 3 of 6, step 3, loss \d\.\d{3}, \d+\.\d\d batches/s, about 0 minutes left", trained[2])
    assert "validating: batch 1 of 2" in lines


def test_a_run_without_validation_says_that_there_is_no_best(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = config(shards, tmp_path / "run")
    content["data"]["batches"] = 2
    fit(tmp_path / "config.yaml", content, "--trainer.limit_val_batches=0")
    assert "no validation gave val/mean_auc: there is no best checkpoint" in capsys.readouterr().out
    assert not (tmp_path / "run" / "best").exists() and (tmp_path / "run" / "last.ckpt").exists()


def test_a_run_shorter_than_the_interval_of_validations_is_judged_at_its_end(shards: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path / "run")
    content["data"]["batches"] = 4
    fit(tmp_path / "config.yaml", content, "--trainer.val_check_interval=100")
    figures = json.loads((tmp_path / "run" / "best" / "figures.json").read_text())
    assert figures["step"] == json.loads((tmp_path / "run" / "run.json").read_text())["step"] > 0


def test_a_run_that_is_done_can_be_gone_on_with(shards: Path, whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    before = json.loads((tmp_path / "run" / "run.json").read_text())
    fit(tmp_path / "config.yaml", config(shards, tmp_path / "run"), "--run.resume=true")
    after = json.loads((tmp_path / "run" / "run.json").read_text())
    assert after["seconds"] >= before["seconds"]
    assert_same_run(whole_run, tmp_path / "run")


def test_frozen_parts_stand_still_and_the_rest_learns(whole_run: Path) -> None:
    state = torch.load(whole_run / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    import tiny

    torch.manual_seed(5)
    fresh = tiny.TinyNet().state_dict()
    moved = {name for name, value in fresh.items() if not torch.equal(value, state[f"net.{name}"])}
    assert not any(name.startswith("face.") for name in moved)
    assert {"heads.weight", "voice.0.weight", "norm.running_mean"} <= moved


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


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--data.batch_sice=3", "batch_sice"),
        ("--data.batches=many", "data.batches"),
        ("--run.checkpoint_minutes=0", r"run\.checkpoint_minutes must be more than 0, got 0"),
        ("--run.patience=0", r"run\.patience must be more than 0"),
        ("--run.monitor=loss", r"run\.monitor is a figure of the validation"),
        ("--config=absent.yaml", r"does not exist.*absent\.yaml"),
    ],
)
def test_bad_options_are_refused(shards: Path, tmp_path: Path, word: str, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        fit(tmp_path / "config.yaml", config(shards, tmp_path / "run"), word)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_loaded(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    content = config(tmp_path / "no shards", tmp_path / "file" / "run")
    with pytest.raises(OSError, match=r"run\.folder: .*file/run cannot be written to: Not a directory"):
        fit(tmp_path / "config.yaml", content)


def test_a_figure_that_there_is_not_ends_the_run_at_its_first_validation(shards: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path / "run")
    content["run"]["monitor"] = "val/voice_auc"
    with pytest.raises(OptionError, match=r"no figure val/voice_auc on these rows; there are: val/audio_auc"):
        fit(tmp_path / "config.yaml", content)


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
    assert done.code == 0, done.err[-3000:]
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
