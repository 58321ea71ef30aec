# SPDX-License-Identifier: Apache-2.0
"""The fit of the fusion to scored files: what is true of them, what the fit finds, and the weights that it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from requirements import needs
from tiny_cad import tiny_shapes, windows
from tool_module import load_tool

from cad.data.manifest import Row, frame_of, read_manifest, write_manifest
from cad.errors import DataError
from cad.evaluation.records import FileScore
from cad.evaluation.scorelog import write_log
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.models import CadModel
from cad.models.checkpoint import load_checkpoint, save_checkpoint
from cad.spec import STREAMS
from cad.training.fusion_fit import FittedFusion, fit_fusion, with_streams_left_out
from cad.training.fusion_judgement import fused_left_out, judge_left_out, table_of
from cad.training.fusion_run import with_fusion
from cad.training.scored_streams import ScoredStreams, kind_of, read_scored, truth_of
from cad.training.start import StartFrom, load_parts

pytestmark = needs("train")

#: By how much the logit of a forged stream is higher, and how a made head is out of scale and off centre.
RISE, SCALE, SHIFT = 3.0, 2.0, 1.0
#: Forged streams of each kind of file, and the streams that it has.
MADE = {
    "genuine": ((0, 0, 0), (1, 1, 1)),
    "voice": ((0, 1, -1), (1, 1, 1)),
    "picture": ((1, 0, -1), (1, 1, 1)),
    "recording": ((-1, 0, 0), (0, 1, 0)),
    "spoken": ((-1, 1, -1), (0, 1, 0)),
}


def made_rows(each: int = 40) -> tuple[list[Row], list[FileScore]]:
    """Rows and scores whose heads say, per stream, a likelihood ratio that was scaled and shifted."""
    rng, rows, scores = np.random.default_rng(0), [], []
    for name, (truth, present) in MADE.items():
        for number in range(each):
            path, fake = f"{name}/{number}.mp4", int(1 in truth)
            flags = {"video_fake": truth[0] if present[0] else -1, "audio_fake": truth[1]}
            rows.append(Row(path, fake, **flags, identity=f"p{number}", source=f"page{number % 5}", split="val"))
            seen = rng.normal(0, 1, 3) + RISE * (np.array(truth) == 1)
            logit = SCALE * (RISE * seen - RISE**2 / 2) + SHIFT
            heads = {stream: float(logit[i]) if present[i] else None for i, stream in enumerate(STREAMS)}
            whole = float(logit.mean()) if all(present) else None
            scores.append(FileScore(path, "real", logit={"fused": whole, **heads}))
    return rows, scores


@pytest.fixture
def logged(tmp_path: Path) -> tuple[Path, Path]:
    """A manifest and a log, with clips cut out of step and what tells nothing of the streams."""
    rows, scores = made_rows()
    write_manifest(frame_of(rows), tmp_path / "manifest.csv")
    cuts = {"in step": -3.0, "shift+0.40": 6.0, "dub": 5.0, "copy": 99.0}
    scores += [
        FileScore(
            f"genuine/{number}.mp4#{cut}", "real", logit={"fused": 0.0, "video": -4.0, "audio": -4.0, "sync": sync}
        )
        for number in range(10)
        for cut, sync in cuts.items()
    ]
    scores += [FileScore("voice/0.mp4#shift+0.40", "real", logit={"sync": 1.0}), FileScore("broken.mp4", "error")]
    write_log(tmp_path / "log.jsonl", "made 0", scores)
    return tmp_path / "manifest.csv", tmp_path / "log.jsonl"


@pytest.fixture
def files(logged: tuple[Path, Path]) -> ScoredStreams:
    return read_scored(read_manifest(logged[0]), [logged[1]], ["val"])


def test_what_is_true_of_a_file() -> None:
    assert truth_of(Row("a", 0)) == (0, 0, 0)
    assert truth_of(Row("a", 1, video_fake=0, audio_fake=1)) == (0, 1, -1)
    assert truth_of(Row("a", 0), "in step") == (0, 0, 0)
    assert truth_of(Row("a", 0), "shift-0.20") == truth_of(Row("a", 0), "dub") == (0, 0, 1)
    assert truth_of(Row("a", 0), "spliced") is None and truth_of(Row("a", 1), "dub") is None
    assert kind_of((1, -1, -1), has_picture=True, is_fake=True) == "forged picture"


def test_a_log_is_read_with_its_truth(files: ScoredStreams) -> None:
    kinds, counts = np.unique(files.kind, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {
        "forged picture": 40, "forged recording": 40, "genuine face": 40, "genuine recording": 40,
        "genuine, cut in step": 10, "out of step": 20, "replaced voice": 40,
    }  # fmt: skip
    assert files.present[files.kind == "forged recording"].tolist() == [[False, True, False]] * 40
    assert (
        files.label == np.isin(files.kind, ["forged picture", "forged recording", "out of step", "replaced voice"])
    ).all()
    assert np.isnan(files.fused).sum() == 80


def test_logs_that_cannot_be_used_are_refused(logged: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = read_manifest(logged[0])
    write_log(tmp_path / "other.jsonl", "other 1", [])
    with pytest.raises(DataError, match="scores of other 1, not of made 0"):
        read_scored(manifest, [logged[1], tmp_path / "other.jsonl"])
    with pytest.raises(DataError, match="is not a log of scores"):
        read_scored(manifest, [logged[0]])
    with pytest.raises(DataError, match="no log of scores at"):
        read_scored(manifest, [tmp_path / "nowhere.jsonl"])
    with pytest.raises(DataError, match="none of the 242 files"):
        read_scored(manifest, [logged[1]], ["train"])


def test_streams_left_out_are_labelled_by_what_is_left(files: ScoredStreams) -> None:
    examples = with_streams_left_out(files.where(np.isin(files.kind, ["genuine face", "replaced voice"])))
    shown = {tuple(present): set() for present in examples.present.astype(int).tolist()}
    for present, label in zip(examples.present.astype(int).tolist(), examples.label.tolist(), strict=True):
        shown[tuple(present)].add(label)
    # A set without the sound has no forged file, so that it teaches nothing.
    assert shown == {(0, 1, 0): {0.0, 1.0}, (1, 1, 0): {0.0, 1.0}, (0, 1, 1): {0.0, 1.0}, (1, 1, 1): {0.0, 1.0}}
    assert examples.weight.sum() == pytest.approx(1.0)
    assert examples.weight[examples.label == 1].sum() == pytest.approx(0.5)


def test_the_fit_finds_the_heads_own_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad.training.fusion_fit.RIDGE", 1e-5)
    rows, scores = made_rows(each=300)
    write_manifest(frame_of(rows), tmp_path / "manifest.csv")
    write_log(tmp_path / "log.jsonl", "made 0", scores)
    files = read_scored(read_manifest(tmp_path / "manifest.csv"), [tmp_path / "log.jsonl"])
    fitted = fit_fusion(files, streams=("video", "audio"))
    # A likelihood ratio times SCALE, plus SHIFT.
    assert fitted.scale[:2] == pytest.approx([1 / SCALE] * 2, abs=0.12)
    assert fitted.bias[:2] == pytest.approx([-SHIFT / SCALE] * 2, abs=0.5)
    assert 0 < fitted.sharpness < 1
    assert fit_fusion(files, 0.25).sharpness == pytest.approx(0.25)


def test_new_evidence_stands_alone_on_sources_left_out(files: ScoredStreams) -> None:
    found = judge_left_out(files, 5, resamples=50)
    for kind, stream in (("replaced voice", "audio"), ("forged picture", "video")):
        area = found.auc[kind]
        assert area["new"].value > 0.9 and area["new"].value > area["old"].value and area[stream].value > 0.95
        assert area["new"].low <= area["new"].value <= area["new"].high
        assert found.gain[kind].value == pytest.approx(area["new"].value - area["old"].value)
    assert found.called_fake["genuine face"]["new"].value <= 0.15
    assert found.called_fake["all forged"]["new"].value > 0.7
    assert found.files == {
        "forged picture": 40, "out of step": 20, "replaced voice": 40, "all forged": 80, "genuine face": 40,
        "genuine, cut in step": 10,
    }  # fmt: skip
    assert "| replaced voice | 40 | 0." in table_of(found)


def test_a_stream_that_is_left_out_is_not_fitted(files: ScoredStreams) -> None:
    fitted = fit_fusion(files, streams=("video", "audio"))
    assert fitted.used.tolist() == [True, True, False] and (fitted.scale[2], fitted.bias[2]) == (1.0, 0.0)
    louder = replace(files, logits=files.logits + np.array([0.0, 0.0, 50.0]))
    np.testing.assert_array_equal(fitted.fuse(files), fitted.fuse(louder))
    np.testing.assert_array_equal(fit_fusion(louder, streams=("video", "audio")).scale, fitted.scale)


def test_a_source_has_no_part_in_its_own_fusion(files: ScoredStreams) -> None:
    fused = fused_left_out(files, 5)
    alone = files.source == "page0"
    np.testing.assert_allclose(fused[alone], fit_fusion(files.where(~alone)).fuse(files.where(alone)))


def test_files_of_one_class_are_refused(files: ScoredStreams) -> None:
    with pytest.raises(DataError, match="forged and files that are genuine in one and the same stream"):
        fit_fusion(files.where(files.label == 0))


@pytest.mark.parametrize("kind", ["streams", "strongest"])
def test_the_tool_writes_weights_with_the_fusion(kind: str, logged: tuple[Path, Path], tmp_path: Path) -> None:
    net = tiny_shapes(fusion=kind)
    save_checkpoint(net, tmp_path / "net.safetensors")
    words = [
        str(tmp_path / "net.safetensors"),
        "--manifest",
        str(logged[0]),
        "--split",
        "val",
        "--scores",
        str(logged[1]),
    ]
    assert load_tool("training/fit_fusion").main([*words, "-o", str(tmp_path / "out"), "--left-out-groups", "0"]) == 0
    written, _ = load_checkpoint(tmp_path / "out")
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert isinstance(written, CadModel) and written.config.fusion == "strongest"
    own = net.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in written.state_dict().items() if "evidence" not in name)
    with torch.inference_mode():
        before, after = net(*windows()), written(*windows())
        streams = [torch.stack([getattr(one, f"{stream}_logit") for stream in STREAMS], 1) for one in (before, after)]
    assert figures["files"]["replaced voice"] == 40
    scored = read_scored(read_manifest(logged[0]), [logged[1]])
    assert figures["scale"] == pytest.approx(fit_fusion(scored, streams=("video", "audio")).scale.tolist(), abs=1e-3)
    assert figures["streams"] == ["video", "audio"] and written.fusion.evidence_used.tolist() == [1.0, 1.0, 0.0]
    logits = streams[1].double().numpy()
    fitted = fit_fusion(scored, streams=("video", "audio"))
    evidence = (logits * fitted.scale + fitted.bias)[:, :2]
    expected = np.log(np.exp(fitted.sharpness * evidence).mean(1)) / fitted.sharpness
    np.testing.assert_allclose(after.fused_logit.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_bad_options_end_with_one_line(
    logged: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = load_tool("training/fit_fusion")
    words = ["--manifest", str(logged[0]), "--scores", str(logged[1]), "-o", str(tmp_path / "out")]
    for wrong, said in (
        (["cad_larger"], "cad_larger"), (["x", "--sharpness", "2"], "sharpness must lie between 0 and 1"),
        (["x", "--left-out-groups", "1"], "two groups"), (["x", "--streams", "audio,smell"], "got smell"),
        (["x", "--max-fpr", "1"], "must lie in [0, 1)"),
    ):  # fmt: skip
        assert tool.main([*wrong, *words]) in (2, 4)
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_exported_net_with_the_fusion_can_be_taken_up_again(tmp_path: Path) -> None:
    net = tiny_shapes(fusion="strongest")
    FittedFusion(np.array([0.4, 1.3, 0.7]), np.array([-0.5, 0.3, 0.1]), 0.4, np.array([True, True, False])).write_into(
        net.fusion
    )
    path = tmp_path / "own.onnx"
    path.write_bytes(export_graph(net, spec_of(net.config, "own", {})).SerializeToString())
    other = tiny_shapes(fusion="strongest")
    load_parts(other, [StartFrom(str(path))])
    for name in ("scale", "bias", "sharpness", "used"):
        found = getattr(other.fusion, f"evidence_{name}")
        torch.testing.assert_close(found, getattr(net.fusion, f"evidence_{name}"), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@needs("weights")
def test_packaged_weights_can_be_given_the_fusion() -> None:
    fitted = FittedFusion(np.ones(3), np.zeros(3), 0.5)
    assert with_fusion("cad_small", fitted).config.fusion == "strongest"
