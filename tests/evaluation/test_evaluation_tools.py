# SPDX-License-Identifier: Apache-2.0
"""The tools from their command line to their files, with the tiny model as the detector."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pandas
import pytest
from made_media import stand_in_for_faces
from miniature import write_set
from tiny_model import tiny_spec
from tool_module import load_tool

from cad.data.manifest import read_manifest
from cad.evaluation import detector_scorer
from cad.evaluation.joining import join
from cad.evaluation.part import Part
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.report import build_report
from cad.evaluation.runner import PartResult
from cad.evaluation.shortcut_baselines.versus_baselines import versus_baselines
from cad.evaluation.writing import write_results
from cad.spec import HEADS, METADATA_KEY, ModelSpec
from cad.speech_net import speech_net
from cad.weights import find_entry

calibrate = load_tool("../export/calibrate")
audit_shortcuts, fill_readme = load_tool("release/audit_shortcuts"), load_tool("release/fill_readme")
compare, evaluate = load_tool("compare"), load_tool("evaluate")

CONTROLS = ["silence only", "file metadata only", "encoder with random weights", "picture with another clip's sound",
            "picture statistics only", "sound statistics only", "guess at the source"]  # fmt: skip


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("miniature"))


@pytest.fixture
def faces(monkeypatch):
    stand_in_for_faces(monkeypatch)


def test_evaluate_prints_the_table_and_goes_on(miniature, tiny_weights, faces, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    line = ["--manifest", str(miniature), "--split", "val", "--weights", str(tiny_weights), "--out", str(out),
            "--resamples", "20"]  # fmt: skip
    assert evaluate.main(line) == 0
    text, err = capsys.readouterr()
    assert text.startswith("# All rows of the manifest") and "Operating points: fused 0.600" in text
    for view in ("file", "file, sound alone", "fused head", "video head", "audio head", "sync head"):
        assert f"| {view} |" in text
    assert "finished after" in err and "checks passed" not in text
    # The tiny model reads colour and loudness, which is how the miniature is forged.
    report = json.loads((out / "report.json").read_text())
    auc = {v["name"]: v["measured"]["metrics"]["auc"]["value"] for v in report["parts"][0]["views"]}
    assert auc["video head"] == 1.0 and auc["audio head"] == 1.0 and auc["file"] == 1.0
    scores = pandas.read_parquet(out / "scores" / "as_is.parquet")
    assert scores["logit_video"].notna().sum() == 8 and scores["p_video"].notna().sum() == 8
    log = out / "scores" / "as_is.jsonl"
    before = log.read_bytes()
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])  # once is enough
    assert evaluate.main(line) == 0
    assert log.read_bytes() == before and capsys.readouterr().out == text


def test_evaluate_names_bad_input(miniature, tiny_weights, tmp_path, capsys):
    def fails(*more, code=2):
        assert evaluate.main(["--manifest", str(miniature), *more]) == code
        return capsys.readouterr().err

    assert "did you mean robustness" in fails("--protocol", "robustnes")
    assert "tools/release/audit_shortcuts.py" in fails("--protocol", "shortcuts", "--split", "val")
    assert "no row has split 'test'" in fails("--split", "test")
    assert "there are no weights called" in fails("--split", "val", "--weights", "nothing", code=4)
    assert "missing_file" in fails("--split", "val", "--root", str(tmp_path))
    scores = tmp_path / "scores.csv"
    scores.write_text("path,score\nelsewhere.mp4,0.5\n")
    assert "none of the 1 scored paths is in the manifest" in fails("--split", "val", "--scores", str(scores))


def test_foreign_scores_get_the_same_table_and_a_paired_test(miniature, tmp_path, capsys):
    rows = pandas.read_csv(miniature, keep_default_na=False)
    rows = rows[rows["split"] == "val"]
    rng = np.random.default_rng(0)
    rows.assign(score=rows["label"] * 0.5 + 0.2)[["path", "score"]].to_csv(tmp_path / "good.csv", index=False)
    weak = rows.assign(score=rng.random(len(rows)))[["path", "score"]]
    weak.iloc[0, 1] = np.nan
    pandas.concat([weak, pandas.DataFrame({"path": ["x.mp4"], "score": [0.1]})]).to_csv(
        tmp_path / "weak.csv", index=False
    )
    line = ["--manifest", str(miniature), "--split", "val"]
    assert (
        evaluate.main(
            [*line, "--scores", str(tmp_path / "weak.csv"), "--out", str(tmp_path / "o"), "--resamples", "20"]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert "| score_without_row | 1 |" in out and "| score_not_finite | 1 |" in out and "x.mp4" in err
    systems = [f"good={tmp_path / 'good.csv'}@0.5", f"weak={tmp_path / 'weak.csv'}"]
    assert compare.main([*systems, *line, "--resamples", "50"]) == 0
    out, err = capsys.readouterr()
    assert "**good minus weak**" in out and "weak: 1 x score_not_finite" in err
    assert compare.main(["good", *line]) == 2
    assert "must be NAME=SCORES" in capsys.readouterr().err


def test_audit_finds_what_the_data_gives_away(miniature, tmp_path, capsys, monkeypatch):
    """Loudness is how this miniature is forged: sound statistics see it, silence does not need to."""
    monkeypatch.setattr("cad.evaluation.shortcut_baselines.baselines.TREES", 30)
    scores = tmp_path / "ours.csv"
    rows = pandas.read_csv(miniature, keep_default_na=False)
    rows.assign(score=rows["label"])[["path", "score"]].to_csv(scores, index=False)
    line = [
        "--manifest",
        str(miniature),
        "--out",
        str(tmp_path / "audit"),
        "--scores",
        f"ours={scores}",
        "--resamples",
        "0",
    ]
    assert audit_shortcuts.main(line) == 0
    text, _err = capsys.readouterr()
    tables = text.split("| what is seen")[1].split("## ours beside the controls")
    whole, beside = ([row.split("|") for row in table.splitlines() if row.startswith("| ")] for table in tables)
    lines = {cells[1].strip(): cells for cells in whole}
    assert list(lines) == [*CONTROLS, "ours"]
    assert [cells[1].strip() for cells in beside] == ["control", *CONTROLS]
    assert lines["ours"][2].strip() == "1.000" and lines["picture statistics only"][4].strip() == "-"
    assert float(lines["sound statistics only"][4].strip()) == 1.0  # speech: loud is forged
    features = tmp_path / "audit" / "features_val.jsonl"
    stamp = features.stat().st_mtime_ns
    kept = ["--json", str(tmp_path / "audit.json"), "--markdown", str(tmp_path / "audit.md")]
    assert audit_shortcuts.main([*line, *kept]) == 0 and features.stat().st_mtime_ns == stamp
    assert capsys.readouterr().out == text == (tmp_path / "audit.md").read_text()
    audit = json.loads((tmp_path / "audit.json").read_text())
    assert audit["detectors"] == ["ours"] and list(audit["measured"]) == [*CONTROLS, "ours"]
    sound = {item["view"]: item for item in audit["beside"] if item["control"] == "picture statistics only"}
    # The picture's control cannot see sound alone; ours is held against it on clips with a picture only.
    assert set(sound) == {"file", "file, with picture"} and sound["file"]["reals"] + sound["file"]["fakes"] == 8
    assert sound["file"]["above"]["value"] == pytest.approx(1 - sound["file"]["control_auc"]["value"])


def measured_here(miniature, scores, out):
    """The report and the audit's JSON of the same scores, made by hand where making them is slow."""
    rows = read_manifest(miniature).select("val").rows
    report = build_report(join(rows, scores), {}, groups=(), resamples=20)
    plan = Protocol("manifest", Kind.CONDITIONS, "All rows", split="val")
    out.mkdir(exist_ok=True)
    facts = ["Weights: `tiny 00 face 11`. Protocol: `manifest`. Split: `val`."]
    result = PartResult(Part("as_is", rows, out), join(rows, scores), report)
    write_results([result], plan, facts, out, {}, draw=False)
    control = scores.assign(p_file=np.linspace(0, 1, len(scores)))
    reports = {"silence only": build_report(join(rows, control), {}, groups=(), resamples=0), "tiny": report}
    found = list(versus_baselines(rows, {"silence only": control}, {"tiny": scores}, resamples=20))
    audit = audit_shortcuts.as_json("Facts.", reports, found, ["tiny"])
    (out / "audit.json").write_text(json.dumps(audit))
    return out


def test_the_readme_gets_controls_beside_ours(miniature, tmp_path, capsys):
    rows = read_manifest(miniature).select("val").rows
    scores = rows[["path"]].assign(p_file=np.where(rows["label"] == 1, 0.8, 0.1))
    folder = measured_here(miniature, scores, tmp_path / "report")
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- figures:start -->\nold\n<!-- figures:end -->\nb\n")
    (tmp_path / "notes.md").write_text("What the rows are.\n")
    line = ["figures", "--readme", str(readme), "--report", str(folder), "--audit", str(folder / "audit.json")]
    assert fill_readme.main([*line, str(tmp_path / "notes.md")]) == 0
    text = readme.read_text()
    assert "\nold\n" not in text and text.startswith("a\n<!-- figures:start -->\n`tiny` on `val`")
    assert text.endswith("What the rows are.\n<!-- figures:end -->\nb\n") and "\n| file | 3 / 7 | 0.000" in text
    assert "| silence only | " in text and "tiny on the same rows" in text and "above silence only" in text
    # An audit of other scores does not stand beside this report.
    other = measured_here(miniature, scores.assign(p_file=0.5), tmp_path / "other")
    assert fill_readme.main([*line[:-1], str(other / "audit.json")]) == 2
    assert "they are of different scores" in capsys.readouterr().err and readme.read_text() == text


def test_further_protocols_in_the_readme_must_be_of_the_same_weights(miniature, tmp_path, capsys):
    rows = read_manifest(miniature).select("val").rows
    folder = measured_here(miniature, rows[["path"]].assign(p_file=rows["label"] * 0.5), tmp_path / "report")
    report = json.loads((folder / "report.json").read_text())
    readme = tmp_path / "README.md"
    readme.write_text("<!-- figures:start -->\n<!-- figures:end -->\n")
    line = ["figures", "--readme", str(readme), "--report", str(folder), "--further", str(tmp_path / "reencoded")]
    (tmp_path / "reencoded").mkdir()
    for weights, code in (("tiny 00 face 22", 2), ("tiny 00 face 11", 0)):
        further = {**report, "protocol": "reencoded", "facts": [f"Weights: `{weights}`. Split: `val`."]}
        (tmp_path / "reencoded" / "report.json").write_text(json.dumps(further))
        assert fill_readme.main(line) == code
    assert "was measured with tiny 00 face 22" in capsys.readouterr().err
    assert "| genuine clips with a picture called fake: as_is | 3 / 7 |" in readme.read_text()


def test_scores_are_kept_under_the_face_nets_too(tiny_weights, monkeypatch):
    from cad.faces import finder, net, points

    scorer = detector_scorer.DetectorScorer(str(tiny_weights))
    nets = [find_entry(name) for name in (net.DEFAULT_NET, points.DEFAULT_NET)]
    assert scorer.identity.split()[0] == tiny_weights.name
    for entry in nets:
        assert f"{entry.name} {entry.sha256}" in scorer.identity
    newer = {nets[0].name: nets[0].sha256, nets[1].name: "0" * 64}
    monkeypatch.setattr(finder.FaceFinder, "nets", property(lambda self: newer))
    assert detector_scorer.DetectorScorer(str(tiny_weights)).identity != scorer.identity


def test_an_interrupted_evaluation_goes_on(miniature, tiny_weights, faces, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])
    score, seen = detector_scorer.DetectorScorer.score, []

    def interrupted(self, path, file):
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return score(self, path, file)

    monkeypatch.setattr(detector_scorer.DetectorScorer, "score", interrupted)
    line = ["--manifest", str(miniature), "--split", "val", "--clips", "2", "--weights", str(tiny_weights),
            "--resamples", "0"]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = f"evaluation/manifest-manifest-{tiny_weights.name}"
    assert evaluate.main(line) == 130
    assert f"the same line goes on from {folder}\n" in capsys.readouterr().err
    assert evaluate.main(line) == 0
    assert len(seen) == 5 and seen[2] == seen[3]  # two, the interrupted one twice, and the last


def test_a_part_with_other_weights_and_a_protocol_on_another_set_are_named(
    miniature, tiny_weights, faces, tmp_path, capsys, monkeypatch
):
    from tiny_model import tiny_onnx, tiny_spec, write_weights

    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])
    other = write_weights(tmp_path / "other", tiny_onnx(tiny_spec()), figures={})
    line = ["--protocol", "fakeavceleb_identity", "--manifest", str(miniature), "--split", "val", "--clips", "1",
            "--weights", str(tiny_weights), "--weights-for", f"trimmed={other}", "--out", str(tmp_path / "out"),
            "--resamples", "0"]  # fmt: skip
    assert evaluate.main(line) == 0
    text, err = capsys.readouterr()
    assert "Weights of trimmed: `other " in text and "Weights of rewritten" not in text
    assert "is made for fakeavceleb; manifest has rows of miniature" in err


def test_calibrate_writes_a_model_that_keeps_its_rate(miniature, tiny_weights, faces, tmp_path, capsys):
    output = tmp_path / "new.onnx"
    line = [str(tiny_weights / "model.onnx"), "--manifest", str(miniature), "--split", "val", "-o", str(output),
            "--desync-clips", "2"]  # fmt: skip
    assert calibrate.main(line) == 0
    result = json.loads(capsys.readouterr().out)
    stored = {entry.key: entry.value for entry in onnx.load(str(output)).metadata_props}
    spec = ModelSpec.from_json(stored[METADATA_KEY])
    assert spec.name == "new" and set(spec.calibration) >= {*HEADS, "video_frame", "audio_frame"}
    assert result["false_positive_rate_of_files"] <= 0.05 and result["genuine_files"] == 6
    assert spec.window_frames == tiny_spec().window_frames
    for point in spec.operating_points.values():
        assert point.real_threshold <= point.fake_threshold and point.chosen_false_positive_rate <= 0.05
        assert "re-encoded genuine copies" in point.chosen_on
    # The graph itself is untouched, and the scores under the new numbers are there for the evaluation to go on from.
    assert onnx.load(str(output)).graph == onnx.load(str(tiny_weights / "model.onnx")).graph
    log = output.with_suffix(".scores.jsonl").read_text().splitlines()
    nets = {"new": result["sha256"], **speech_net().nets}
    assert json.loads(log[0])["scorer"] == detector_scorer.scorer_identity(nets)
    assert len(log) == 11
    answers = {json.loads(text)["path"]: json.loads(text)["answer"] for text in log[1:]}
    assert answers["av/p0_11.mp4"] == "fake" and answers["av/p0_00.mp4"] != "fake"


def test_calibrate_may_leave_the_heads_and_take_further_genuine_clips(miniature, tiny_weights, faces, tmp_path, capsys):
    output = tmp_path / "new.onnx"
    line = [str(tiny_weights / "model.onnx"), "--manifest", str(miniature), "--split", "val", "-o", str(output),
            "--keep-heads", "--genuine", str(miniature), "--clips", "2"]  # fmt: skip
    assert calibrate.main(line) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    old, spec = tiny_spec(name="new"), ModelSpec.from_json(json.dumps(result["spec"]))
    assert spec.operating_points == old.operating_points and set(spec.calibration) == set(old.calibration)
    assert {head: (one.scale, one.bias) for head, one in spec.calibration.items()} == {
        head: (one.scale, one.bias) for head, one in old.calibration.items()
    }
    assert result["heads"] == {} and set(result["growth_over_faces"]) == {"video", "fused"}
    # Two clips are too few for peaks, which is said instead of figures; nothing is cut out of step.
    assert all("peaks need 20 clips of each class" in text for text in result["peaks"].values())
    assert "genuine: 2/2" in err and "desync: " not in err
