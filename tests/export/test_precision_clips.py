# SPDX-License-Identifier: Apache-2.0
"""What precisions are calibrated and measured on: windows of clips, cut as the product cuts them, and the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.precision_costs import over
from benchmarks.precision_scores import decision, head_figures, mean_logits
from benchmarks.precision_table import tables
from benchmarks.window_cache import cached_clips

from cad.data.manifest import read_manifest
from cad.detector import Detector
from cad.errors import DataError
from cad.evaluation.row_views import View
from cad.export.calibration_clips import face_feeds
from cad.export.clip_windows import WindowReader, spread
from cad.runtime.session import open_model
from cad.spec import HEADS, INPUTS, Calibration, ModelSpec, OperatingPoint
from cad.weights import find_entry, read_verified
from cad.windows import Window

DATA = Path(__file__).resolve().parents[1]
CLIP = DATA / "data" / "astronaut_fake.mp4"
SPEC = ModelSpec("tiny", 50, 10, {"video": Calibration()}, {"video": OperatingPoint(0.6, 0.4)})


@pytest.fixture(scope="module")
def windows() -> list[Window]:
    with WindowReader(SPEC) as reader:
        return reader.read(CLIP, 1000)


def test_windows_are_those_that_the_product_scores(windows):
    with Detector(model="cad_small_3", threads=1) as detector:
        scores = [score for score in detector.analyse(CLIP).scores if score.track_id is not None]
    assert len(windows) == len(scores) > 0
    for window, score in zip(windows, scores, strict=True):
        assert window.first_slot == score.first_slot
        assert np.array_equal(window.frames_present, score.frames_present)
        assert np.array_equal(window.audio_present, score.audio_present)


@pytest.mark.parametrize(("most", "kept"), [(1, [2]), (2, [0, 4]), (3, [0, 2, 4]), (9, [0, 1, 2, 3, 4])])
def test_few_windows_are_spread_over_the_clip(most, kept):
    assert spread(list(range(5)), most) == kept  # type: ignore[arg-type]


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "notes.mp4").write_text("no media")
    lines = [
        "path,label,split",
        f"{CLIP},fake,train",
        "notes.mp4,real,train",
        f"{DATA / 'data/astronaut.jpg'},real,val",
    ]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "clips.csv"


def test_ranges_come_from_faces_of_train(manifest, windows, caplog):
    """What cannot be read is passed over by name; val is never looked at."""
    (found,) = face_feeds(manifest, SPEC)
    assert set(found) == set(INPUTS) and found["frames"].shape == (1, 50, 160, 160, 3)
    assert np.array_equal(found["frames"][0], spread(windows, 1)[0].frames)
    assert "notes.mp4: passed over" in caplog.text and "astronaut.jpg" not in caplog.text


def test_a_manifest_without_a_face_is_told(manifest):
    manifest.write_text("path,label\nnotes.mp4,real\n")
    with pytest.raises(DataError, match="no clip with a face"):
        list(face_feeds(manifest, SPEC))


def test_windows_are_cut_once(manifest, windows, tmp_path, monkeypatch):
    table = read_manifest(manifest)
    rows = table.rows[:1]
    (first,) = cached_clips(table, rows, SPEC, tmp_path / "cache", 2)
    monkeypatch.setattr(WindowReader, "read", lambda self, file, most: pytest.fail("read again"))
    (again,) = cached_clips(table, rows, SPEC, tmp_path / "cache", 2)
    for clip in (first, again):
        assert len(clip.windows) == min(2, len(windows))
        for mine, cut in zip(clip.windows, spread(windows, 2), strict=True):
            assert all(np.array_equal(getattr(mine, name), getattr(cut, name)) for name in INPUTS)


def test_heads_without_their_stream_have_no_logit(windows):
    one = windows[0]
    silent = replace(one, audio=np.zeros_like(one.audio), audio_present=np.zeros_like(one.audio_present))
    entry = find_entry("cad_small_3")
    session = open_model(read_verified(entry), entry.name, "cpu", threads=1).session
    with_sound, without = (mean_logits(session, [each]) for each in (one, silent))
    assert np.isfinite(with_sound[HEADS.index("video")]) and np.isfinite(without[HEADS.index("video")])
    assert np.isnan([without[HEADS.index(head)] for head in ("audio", "sync")]).all()


def test_figures_of_a_head():
    rows = pd.DataFrame(
        {"path": ["a.mp4", "b.mp4", "c.mp4", "d.mp4"], "label": [0, 0, 1, 1], "video_fake": [0, 0, 1, 1]}
    )
    view = View("video head", "video", np.array([True, True, True, True]), rows["label"].to_numpy())
    before = np.full((4, len(HEADS)), np.nan)
    before[:, HEADS.index("video")] = [-2.0, 0.0, 0.3, 3.0]
    moved = before + np.array([0.0, 1.0, 0.0, 0.0])[:, None]
    found = head_figures(view, rows, {"fp32": before, "other": moved}, "other", SPEC)
    assert (found["auc"], found["auc_less_float32"]) == (0.75, -0.25)
    assert (found["logit_moves_most"], found["logit_moves_mean"], found["decisions_changed"]) == (1.0, 0.25, 0.25)
    assert found["rank_correlation"] == pytest.approx(0.8)
    same = head_figures(view, rows, {"fp32": before}, "fp32", SPEC)
    assert same["rank_correlation"] == 1.0 and same["decisions_changed"] == same["auc_less_float32"] == 0.0


@pytest.mark.parametrize(("logit", "label"), [(-1.0, "real"), (0.0, "neither"), (1.0, "fake")])
def test_the_sides_of_the_thresholds(logit, label):
    assert decision(logit, "video", SPEC, "talking_head") == label
    assert decision(logit, "audio", SPEC, "talking_head") == "none"


def test_costs_are_told_over_float32_and_in_tables():
    costs = {"fp32": [(2.0, 4.0), (9.0, 4.0), (2.0, 4.0)], "int8": [(1.0, 3.0)] * 3}
    assert over(costs, "int8") == {"wall": 0.5, "processor": 0.75}
    head = {"clips": 4, "auc": 0.75, "auc_less_float32": -0.25, "rank_correlation": 0.8, "logit_moves_mean": 0.25,
            "logit_moves_most": 1.0, "decisions_changed": 0.25}  # fmt: skip
    one = {"megabytes": 12.34, "heads": {"video": head}} | dict.fromkeys(
        ("load", "batch_1", "batch_4"), over(costs, "int8")
    )
    about = {"date": "2026-11-26", "threads": 2, "repeats": 3, "val_clips": 4, "val_clips_with_picture": 4,
             "val_clips_fake": 2, "val_windows": 4, "train_windows": 8}  # fmt: skip
    text = tables({"variants": {"fp32": "", "int8": ""}, "models": {"tiny": {**about, "int8": one}}})
    assert "| `int8` | 12.3 | 0.50 (0.75) | 0.50 (0.75) | 0.50 (0.75) |" in text
    assert "| `int8` | 0.750 (-0.2500); 0.8000; 0.250, 1.00; 25.0% |" in text and "## tiny" in text
