# SPDX-License-Identifier: Apache-2.0
"""The heads' numbers from files of scores, as models wrote them that had not seen the rows' sources."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from tiny_model import tiny_onnx, tiny_spec, write_weights
from tool_module import load_tool

from cad.data.manifest import Row, frame_of, write_manifest
from cad.errors import DataError
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.scored import fit_scored, read_scored
from cad.evaluation.records import FileScore
from cad.evaluation.row_views import domains_of
from cad.evaluation.scorelog import read_scores_of_others, write_log
from cad.spec import HEADS, METADATA_KEY, Calibration, ModelSpec, OperatingPoint, spec_for
from cad.verdict.calibrate import platt

calibrate = load_tool("../export/calibrate")
FRAMES = {"audio_frame": Calibration(1.0, -2.0)}
SPEC = tiny_spec(calibration={**tiny_spec().calibration, "audio": Calibration(growth=0.25), **FRAMES})


def made(rng, count: int = 120) -> tuple[list[Row], list[FileScore]]:
    """Recordings and talking heads of either class from six sources, one of which has half of all rows."""
    rows, scores = [], []
    for number in range(count):
        source = "big" if number % 2 else f"small {number % 5}"
        for label in (0, 1):
            path = f"voice{label}_{number}.flac"
            rows.append(Row(path, label, -1, label, source=source, identity=path, split="train"))
            scores.append(FileScore(path, "real", logit={"audio": rng.normal(2 + 3 * label), "fused": None}))
            path = f"head{label}_{number}.mp4"
            rows.append(Row(path, label, label, label, source=source, identity=path, split="train"))
            logits = {head: rng.normal(-2 + 3 * label) for head in HEADS}
            scores.append(FileScore(path, "real", logit=logits))
    return rows, scores


@pytest.fixture
def scored(rng, tmp_path):
    rows, scores = made(rng)
    write_log(tmp_path / "a.scores.jsonl", "fold a", scores[:200])
    write_log(tmp_path / "b.scores.jsonl", "fold b", [*scores[200:], FileScore("elsewhere.mp4", "real")])
    write_manifest(frame_of(rows), tmp_path / "manifest.csv")
    return tmp_path


def logs_of(folder):
    return [folder / "a.scores.jsonl", folder / "b.scores.jsonl"]


def test_heads_are_fitted_from_the_scores_of_several_models(scored, rng):
    rows = frame_of(made(rng)[0])
    found = read_scored(logs_of(scored), rows)
    assert found.scorers == ("fold a", "fold b") and len(found.rows) == 480
    assert found.left_out["scores without a row"] == 1 and set(found.domains) == {"recording", "talking_head"}
    said: list[str] = []
    stale = replace(SPEC, calibration={**SPEC.calibration, "fused@recording": Calibration(9.0)})
    spec, figures = fit_scored(stale, found, CalibrationOptions(split="train", max_fpr=0.03), said.append)
    # Sync has no clips out of step among these; peaks and growth are of other things than a clip's mean.
    assert spec.calibration["sync"] == SPEC.calibration["sync"] and spec.calibration["audio"].growth == 0.25
    assert {"audio@recording", "fused@talking_head", "audio_frame@recording"} <= set(spec.calibration)
    assert "fused@recording" not in spec.calibration
    assert "480 scored rows of 6 sources by 2 scorers" in spec.operating_points["audio"].chosen_on
    weights = {"big": 60**-0.5}
    for domain in ("recording", "talking_head"):
        own = figures["domains"][domain]
        assert own["false_positive_rate_of_files"] <= 0.03 + 1e-9
        genuine = own["files"]["genuine"]
        assert genuine["called_fake"]["rows"] == 120 and genuine["called_fake"]["sources"] == 6
        assert (
            0 <= genuine["called_fake"]["by_sources"]["value"] <= 0.1 and genuine["decided"]["by_rows"]["value"] > 0.4
        )
    assert [one["scorer"] for one in figures["by_scorer"]] == ["fold a", "fold b"]
    assert sum(one["genuine_called_fake"]["rows"] for one in figures["by_scorer"]) == 240
    # By hand: the weighted rate of genuine recordings over the threshold of their kind.
    mask = (found.domains == "recording") & (found.rows["label"] == 0).to_numpy()
    chances = platt(found.logits["audio"][mask], spec.calibration["audio@recording"])
    weight = np.array([weights.get(name, 12**-0.5) for name in found.rows["source"][mask]])
    over = chances >= spec.operating_points["audio@recording"].fake_threshold
    assert (weight * over).sum() / weight.sum() == pytest.approx(
        figures["domains"]["recording"]["false_positive_rate_of_files"], abs=1e-4
    )
    # A slot is suspicious from the same raw logit on as before.
    limit = np.array([np.log(0.6 / 0.4) + 2.0])
    for key in ("audio", "audio@recording"):
        frames = spec.calibration[key.replace("audio", "audio_frame")]
        assert platt(limit, frames)[0] == pytest.approx(spec.operating_points[key].fake_threshold)


def test_a_sound_that_knows_more_than_the_fused_head_is_let_in_within_the_rate(rng, tmp_path):
    rows, scores = made(rng)
    # Replaced voices under genuine faces: half of what the sound says is lost where it is joined.
    weak = {"fused": 1.0, "video": 0.0, "audio": 4.0, "sync": 0.0}
    for number, (row, one) in enumerate(zip(rows, scores, strict=True)):
        if one.logit["fused"] is not None:
            logits = {head: rng.normal(-2 + more * row.label) for head, more in weak.items()}
            scores[number] = replace(one, logit=logits)
    write_log(tmp_path / "all.jsonl", "all", scores)
    found = read_scored([tmp_path / "all.jsonl"], frame_of(rows))
    stale = {**SPEC.operating_points, "video_alone@talking_head": OperatingPoint()}
    options = CalibrationOptions(split="train", max_fpr=0.05)
    spec, figures = fit_scored(replace(SPEC, operating_points=stale), found, options, lambda line: None)
    about = figures["standing_alone"]
    assert about["streams"] == ["audio"] and "video_alone@talking_head" not in spec.operating_points
    assert about["forged_files_called_fake"] > about["without"]["forged_files_called_fake"] + 0.2
    # By hand: the weight of genuine files that the fused head or the sound calls fake.
    own, is_head = spec_for(spec, "talking_head"), found.domains == "talking_head"

    def over(head, point):
        return is_head & (
            platt(found.logits[head], own.calibration[head]) >= own.operating_points[point].fake_threshold
        )

    fused, sound = over("fused", "fused"), over("audio", "audio_alone")
    genuine = is_head & (found.rows["label"] == 0).to_numpy()
    weight = np.where(found.rows["source"] == "big", 60**-0.5, 12**-0.5)[genuine]
    rate = (weight * (fused | sound)[genuine]).sum() / weight.sum()
    assert rate == pytest.approx(about["false_positive_rate_of_files"], abs=1e-4) and 0 < rate <= 0.05
    assert (found.over(spec, "fake_threshold")[is_head] == (fused | sound)[is_head]).all()
    # A sound over its head's own threshold is not called real either.
    assert found.over(spec, "real_threshold")[over("audio", "audio")].all()


def test_the_tool_writes_them_and_scores_nothing(scored, tmp_path, capsys):
    weights = write_weights(tmp_path / "before", tiny_onnx(SPEC))
    line = [str(weights / "model.onnx"), "--manifest", str(scored / "manifest.csv"), "--split", "train",
            "--scores", *map(str, logs_of(scored)), "-o", str(tmp_path / "new.onnx")]  # fmt: skip
    assert calibrate.main(line) == 0
    out, err = capsys.readouterr()
    stored = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "new.onnx")).metadata_props}
    spec = ModelSpec.from_json(stored[METADATA_KEY])
    assert spec.name == "new" and json.loads(out)["spec"] == json.loads(spec.to_json())
    assert "recording: audio fitted" in err and "scores without a row: 1" in err
    assert not (tmp_path / "new.scores.jsonl").exists()
    assert calibrate.main([*line, "--keep-heads"]) == 2
    assert "leave --keep-heads nothing to do" in capsys.readouterr().err


def test_kinds_that_are_asked_for_are_fitted_and_no_others(scored, rng, tmp_path, capsys):
    rows = frame_of(made(rng)[0])
    found = read_scored(logs_of(scored), rows)
    kept = replace(SPEC, calibration={**SPEC.calibration, "fused@talking_head": Calibration(9.0)})
    options = CalibrationOptions(split="train", max_fpr=0.03, kinds=("recording",))
    spec, figures = fit_scored(kept, found, options, lambda line: None)
    changed = {key for key in spec.calibration if spec.calibration[key] != kept.calibration.get(key)}
    assert changed == {"audio@recording", "audio_frame@recording"}
    assert set(spec.operating_points) - set(kept.operating_points) == {"audio@recording"}
    assert spec.calibration["fused@talking_head"] == Calibration(9.0) and list(figures["domains"]) == ["recording"]
    with pytest.raises(DataError, match="no scored row is a still"):
        fit_scored(kept, found, replace(options, kinds=("still",)), lambda line: None)
    words = [str(tmp_path / "model.onnx"), "--manifest", "m.csv", "-o", str(tmp_path / "out"), "--kinds", "still"]
    assert calibrate.main(words) == 2 and "--kinds goes with --scores" in capsys.readouterr().err


def test_bad_scores_are_named(scored, rng):
    rows = frame_of(made(rng)[0])
    first = logs_of(scored)[0]
    with pytest.raises(DataError, match=r"voice0_0\.flac is scored in .*a\.scores\.jsonl and in .*c\.scores\.jsonl"):
        write_log(scored / "c.scores.jsonl", "fold c", [FileScore("voice0_0.flac", "real")])
        read_scored([first, scored / "c.scores.jsonl"], rows)
    with pytest.raises(DataError, match="none of the 1 scored paths"):
        write_log(scored / "d.scores.jsonl", "fold d", [FileScore("x", "real")])
        read_scored([scored / "d.scores.jsonl"], rows)
    cut = scored / "cut.scores.jsonl"
    cut.write_bytes(first.read_bytes()[:-20])
    before = cut.read_bytes()
    with pytest.raises(DataError, match="its last line is cut off"):
        read_scores_of_others(cut)
    assert cut.read_bytes() == before  # another's file is left as it is
    (scored / "e.scores.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="is not a log of scores"):
        read_scores_of_others(scored / "e.scores.jsonl")
    with pytest.raises(DataError, match="there is no such log"):
        read_scores_of_others(scored / "absent.jsonl")


def test_without_both_classes_nothing_is_fitted(scored, rng):
    rows = frame_of([row for row in made(rng)[0] if row.label == 0])
    said = r"no head has enough scores of both classes \(fused: 0 forged and 120 genuine rows"
    with pytest.raises(DataError, match=said):
        fit_scored(SPEC, read_scored(logs_of(scored), rows), CalibrationOptions(), print)


def test_rows_are_of_the_kind_that_their_file_is():
    names = ["a.mp4", "b.FLAC", "c.JPG", "d.webp", "e.flac#copy", "f.jpeg#copy", "g.mp4#still", "h.ogg"]
    rows = frame_of([Row(name, 0, 0 if name == "h.ogg" else -1) for name in names])
    assert domains_of(rows).tolist() == [
        "talking_head", "recording", "still", "still", "recording", "still", "talking_head", "talking_head",
    ]  # fmt: skip


def test_a_file_that_picture_and_sound_judge_apart_keeps_the_rate_of_both(rng):
    """Half of the false positives of either head are enough: both together must keep the rate."""
    rows = [Row(f"{label}{n}.mp4", label, label, label, source=f"s{n}", identity=f"i{n}") for label in (0, 1)
            for n in range(200)]  # fmt: skip
    scores = [FileScore(row.path, "real", logit={head: rng.normal(3 * row.label) for head in ("video", "audio")})
              for row in rows]  # fmt: skip
    found = read_scored_of(rows, scores)
    spec, figures = fit_scored(tiny_spec(), found, CalibrationOptions(split=""), print)
    assert figures["false_positive_rate_of_files"] <= 0.05 and figures["head_rate_allowed"] < 0.05
    assert isinstance(spec.operating_points["video"], OperatingPoint)
    assert "the plain numbers are its own" in figures["domains"]["talking_head"]


def read_scored_of(rows, scores):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder) / "x.scores.jsonl", "x", scores)
        return read_scored([Path(folder) / "x.scores.jsonl"], frame_of(rows))
