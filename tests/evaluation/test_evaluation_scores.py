# SPDX-License-Identifier: Apache-2.0
"""Scores put beside the truth, the log that a run goes on from, views and abstentions, reports and figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from cad.data.manifest import Row, frame_of
from cad.errors import DataError
from cad.evaluation import figures, tables
from cad.evaluation.comparison import compare_systems, comparison_markdown
from cad.evaluation.formats import as_markdown
from cad.evaluation.joining import join, read_scores
from cad.evaluation.part import Part
from cad.evaluation.records import FileScore
from cad.evaluation.report import build_report
from cad.evaluation.report_tables import report_tables
from cad.evaluation.row_views import views_of
from cad.evaluation.scorelog import read_log, score_part

ROWS = frame_of(
    [
        Row("av/1.mp4", 0, 0, 0, identity="ann"),
        Row("av/2.mp4", 1, 1, 0, "swap", identity="bob"),
        Row("av/3.mp4", 1, 0, 1, "vocoder", identity="bob"),
        Row("av/4.mp4", 1, 1, -1, "swap", identity="eve"),
        Row("sp/5.flac", 0, -1, 0, identity="joe"),
        Row("sp/6.flac", 1, -1, 1, "tts", identity="joe"),
    ]
)


class CountingScorer:
    identity = "model 1"

    def __init__(self, stop_after: int = 99) -> None:
        self.scored: list[str] = []
        self.stop_after = stop_after

    def score(self, path: str, file: Path) -> FileScore:
        if len(self.scored) == self.stop_after:
            raise KeyboardInterrupt
        self.scored.append(path)
        return FileScore(path, "fake", {"file": 0.9, "video": None}, {"video": 1.25}, ((0.0, 1.0, 0.8, "video"),))


def test_views_say_which_rows_count():
    views = {view.name: view for view in views_of(ROWS)}
    chosen = {name: ROWS["path"][view.mask].tolist() for name, view in views.items()}
    assert chosen["file"] == ROWS["path"].tolist()
    assert chosen["file, sound alone"] == ["sp/5.flac", "sp/6.flac"]
    assert chosen["video head"] == [f"av/{i}.mp4" for i in (1, 2, 3, 4)]
    assert chosen["audio head"] == ["av/1.mp4", "av/2.mp4", "av/3.mp4", "sp/5.flac", "sp/6.flac"]  # not unknown
    # A genuine picture under a forged voice is genuine for the video head and fake for the file.
    assert views["video head"].labels.tolist()[:4] == [0, 1, 0, 1] and views["file"].labels.tolist()[:4] == [0, 1, 1, 1]
    assert chosen["fused head"] == chosen["file, with picture"] == [f"av/{i}.mp4" for i in (1, 2, 3, 4)]


def test_views_of_one_kind_are_not_repeated():
    assert [view.name for view in views_of(ROWS.iloc[4:])] == ["file", "audio head"]


def test_abstentions_left_out_or_counted_as_errors():
    rows = frame_of([Row(f"{i}.mp4", y, y, 0, identity=f"p{i}") for i, y in enumerate((1, 0, 1, 0))])
    scores = rows[["path"]].assign(p_file=[0.9, 0.2, np.nan, 0.4], answer=["fake", "real", "error", "inconclusive"])
    coverage = build_report(join(rows, scores), {}, resamples=0).coverage
    assert (coverage.share.value, coverage.left_out.reals, coverage.left_out.fakes) == (0.5, 1, 1)
    left_out, errors = coverage.left_out.estimates, coverage.errors.estimates
    assert (left_out["auc"].value, left_out["fpr"].value, left_out["tpr"].value) == (1.0, 0.0, 1.0)
    # The silent fake stands below, the silent genuine clip above all others.
    assert (errors["auc"].value, errors["fpr"].value, errors["tpr"].value) == (0.25, 0.5, 0.5)


def test_what_is_decided_of_each_kind_of_file_stands_beside_its_false_positives():
    kinds = [("mp4", 0, 0), ("flac", -1, 0), ("jpg", 0, -1)]
    rows = frame_of([
        Row(f"{label}{n}.{suffix}", label, video * label if video >= 0 else -1, sound, identity=f"{label}{n}{suffix}",
            source="big" if n else "small")
        for suffix, video, sound in kinds for label in (0, 1) for n in range(4)
    ])  # fmt: skip
    said = {"00.mp4": "fake", "01.mp4": "real", "02.mp4": "inconclusive", "03.mp4": "error", "00.jpg": "real"}
    answers = [said.get(path, "fake" if label else "inconclusive") for path, label in zip(rows["path"], rows["label"],
               strict=True)]  # fmt: skip
    report = build_report(join(rows, rows[["path"]].assign(p_file=0.5, answer=answers)), {}, resamples=20)
    found = {one.domain: one for one in report.coverage.domains}
    video, voice, still = (found[name] for name in ("talking_head", "recording", "still"))
    assert (video.decided.value, video.decided_reals.value, video.decided_fakes.value) == (0.75, 0.5, 1.0)
    # One of four genuine rows is called fake; the one source wholly, the other never.
    assert (video.false_positives.value, video.false_positives_by_sources.value, video.sources) == (0.25, 0.5, 2)
    assert video.decided.low <= 0.75 <= video.decided.high
    assert (voice.decided.value, voice.false_positives.value, still.decided.value) == (0.5, 0.0, 0.625)
    text = as_markdown(tables.Document("t", [], list(report_tables(report))))
    assert "Decided, by kind of file" in text and "| voice (sound alone) | 4 / 4 | 0.500 [" in text
    stored = tables.report_json(report)["coverage"]["domains"]
    assert stored["still"]["decided"]["value"] == 0.625 and stored["talking_head"]["sources"] == 2


def test_a_head_stands_at_the_threshold_of_the_kind_of_file():
    rows = frame_of([Row(f"{label}.{suffix}", label, label * seen if seen else -1, label, identity=f"{label}{suffix}")
                     for label in (0, 1) for suffix, seen in (("mp4", 1), ("wav", 0))])  # fmt: skip
    scores = rows[["path"]].assign(p_file=0.5, p_audio=[0.45, 0.65, 0.55, 0.75], answer="real")
    plain = build_report(join(rows, scores), {"audio": 0.5}, resamples=0)
    own = build_report(join(rows, scores), {"audio": 0.5, "audio@recording": 0.7}, resamples=0)
    whole, sound = "audio head", "audio head, sound alone"
    assert plain.measured(whole).estimates["fpr"].value == 0.5 and plain.measured(whole).estimates["tpr"].value == 1.0
    assert own.measured(whole).estimates["fpr"].value == 0.0 and own.measured(sound).estimates["tpr"].value == 1.0
    assert own.measured(whole).estimates["auc"].value == plain.measured(whole).estimates["auc"].value


def test_everything_that_does_not_fit_is_named():
    scores = pandas.DataFrame(
        {
            "path": ["av/1.mp4", "av/1.mp4", "av/2.mp4", "av/3.mp4", "elsewhere.mp4"],
            "p_file": [0.1, 0.7, np.nan, np.inf, 0.5],
        }
    )
    joined = join(ROWS, scores)
    assert joined.counts() == {"row_without_score": 3, "score_not_finite": 2, "score_twice": 1, "score_without_row": 1}
    named = {(problem.kind, problem.path) for problem in joined.problems}
    assert ("score_without_row", "elsewhere.mp4") in named and ("score_not_finite", "av/3.mp4") in named
    assert joined.rows["p_file"].notna().sum() == 1 and joined.rows["p_file"][0] == 0.1


def test_scores_of_other_files_are_refused():
    with pytest.raises(DataError, match="none of the 1 scored paths"):
        join(ROWS, pandas.DataFrame({"path": ["x"], "p_file": [0.5]}))


@pytest.mark.parametrize("column", ["score", "probability_fake"])
def test_foreign_score_files(tmp_path, column):
    (tmp_path / "s.csv").write_text(f"path,{column}\na.mp4,0.5\nb.mp4,oops\n")
    table = read_scores(tmp_path / "s.csv")
    assert table["p_file"].tolist()[0] == 0.5 and np.isnan(table["p_file"].tolist()[1])


def test_bad_score_files(tmp_path):
    with pytest.raises(DataError, match="there is no score file"):
        read_scores(tmp_path / "absent.csv")
    (tmp_path / "s.csv").write_text("file,number\na,1\n")
    with pytest.raises(DataError, match="needs the columns path and one of"):
        read_scores(tmp_path / "s.csv")


def part_of(folder: Path, *paths: str) -> Part:
    return Part("part", pandas.DataFrame({"path": paths}), folder)


def test_a_run_goes_on_where_it_was_interrupted(tmp_path):
    files = part_of(tmp_path, *(f"{i}.mp4" for i in range(5)))
    log = tmp_path / "out" / "scores.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score_part(files, CountingScorer(stop_after=2), log)
    # The interruption may come in the middle of a line.
    with log.open("a") as stream:
        stream.write('{"path": "2.mp4", "ans')
    second = CountingScorer()
    scores = score_part(files, second, log)
    assert second.scored == ["2.mp4", "3.mp4", "4.mp4"] and [s.path for s in scores] == files.rows["path"].tolist()
    third = CountingScorer()
    assert score_part(files, third, log) == scores and third.scored == []
    assert len(read_log(log)) == 5


def test_scores_of_two_models_never_mix(tmp_path):
    log = tmp_path / "scores.jsonl"
    score_part(part_of(tmp_path, "a"), CountingScorer(), log)
    other = CountingScorer()
    other.identity = "model 2"
    with pytest.raises(DataError, match="holds scores of model 1, not of model 2"):
        score_part(part_of(tmp_path, "a"), other, log)
    (tmp_path / "no.jsonl").write_text('{"something": 1}\n')
    with pytest.raises(DataError, match="not a log of scores"):
        read_log(tmp_path / "no.jsonl")


def test_record_round_trip():
    score = CountingScorer().score("a", Path("a"))
    assert FileScore.from_json(json.loads(json.dumps(score.to_json()))).to_json() == score.to_json()
    row = score.to_row()
    assert row["p_file"] == 0.9 and np.isnan(row["p_video"]) and row["logit_video"] == 1.25


def scored(rng, number=200):
    label = rng.integers(0, 2, number)
    rows = frame_of(
        [
            Row(
                f"{i}.mp4",
                int(y),
                int(y),
                0,
                f"method{i % 3}" if y else "real",
                identity=f"p{i % 40}",
                source=f"s{i % 2}",
            )
            for i, y in enumerate(label)
        ]
    )
    p = 1 / (1 + np.exp(-(rng.normal(size=number) + 3 * label - 1.5)))
    answer = np.where(p > 0.7, "fake", np.where(p < 0.4, "real", "inconclusive"))
    p[0], answer[0] = np.nan, "error"
    return rows, pandas.DataFrame({"path": rows["path"], "p_file": p, "p_video": p, "answer": answer})


def test_report_counts_answers_and_not_thresholds(rng):
    rows, scores = scored(rng)
    report = build_report(join(rows, scores), {"video": 0.7}, resamples=50)
    file = next(result for result in report.views if result.view.name == "file")
    assert file.unscored == 1 and file.measured.fakes + file.measured.reals == 199
    real = (rows["label"] == 0).to_numpy() & scores["p_file"].notna().to_numpy()
    expected = (scores["answer"].to_numpy()[real] == "fake").mean()
    assert file.measured.estimates["fpr"].value == pytest.approx(expected)
    video = next(result for result in report.views if result.view.name == "video head")
    assert video.measured.threshold == 0.7
    tally = report.coverage.answers
    assert sum(sum(counts.values()) for counts in tally.values()) == 200
    answered = scores["answer"].isin(["fake", "real"]).mean()
    assert report.coverage.share.value == pytest.approx(answered)
    # Leaving out the unsure rows flatters; counting them as wrong does not.
    assert report.coverage.left_out.estimates["auc"].value > file.measured.estimates["auc"].value
    assert report.coverage.errors.estimates["auc"].value < file.measured.estimates["auc"].value
    assert report.coverage.errors.reals + report.coverage.errors.fakes == 200
    groups = {(g.column, g.group): g.measured for g in report.groups if g.view == "file"}
    assert groups["method", "method0"].reals == file.measured.reals  # against all genuine rows
    assert groups["source", "s0"].reals < file.measured.reals


def test_tables_and_figures(rng, tmp_path):
    rows, scores = scored(rng)
    report = build_report(join(rows, scores), {}, resamples=30)
    text = as_markdown(tables.Document("A title", ["A fact."], list(report_tables(report))))
    for expected in ("# A title", "A fact.", "| file |", "## file, by method", "counted as errors", "not fit", "[0."):
        assert expected in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)
    assert json.loads(json.dumps(tables.report_json(report)))["coverage"]["answers"]["real"]
    p = scores["p_file"].to_numpy()
    keep = ~np.isnan(p)
    data = {"file": (p[keep], rows["label"].to_numpy()[keep])}
    files = figures.save_figures(data, report.groups, {"file": 0.7}, tmp_path)
    assert {file.name for file in files} == {
        f"{name}.{kind}" for name in ("roc", "scores", "reliability", "methods") for kind in ("png", "svg")
    }
    for file in files:
        assert file.stat().st_size > 5000
        assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" if file.suffix == ".png" else b"<svg" in file.read_bytes()


def test_figures_are_the_same_bytes_again(rng, tmp_path):
    labels = rng.integers(0, 2, 60)
    data = {"file": (rng.random(60), labels)}
    first = {f.name: f.read_bytes() for f in figures.save_figures(data, [], {}, tmp_path / "a")}
    second = {f.name: f.read_bytes() for f in figures.save_figures(data, [], {}, tmp_path / "b")}
    assert first == second


def test_heat_map(tmp_path):
    files = figures.save_heat_map({"mp3": [0.9, 0.8], "blur": [0.7]}, 0.95, "AUC", "heat", tmp_path)
    assert [file.name for file in files] == ["heat.png", "heat.svg"]


def test_two_systems_with_a_paired_test(rng):
    rows, scores = scored(rng)
    good = scores[["path", "p_file"]]
    bad = good.assign(p_file=np.where(rng.random(len(good)) < 0.4, rng.random(len(good)), good["p_file"]))
    bad.loc[5, "p_file"] = np.nan
    found = compare_systems(rows, {"good": good, "bad": bad}, {}, resamples=300)
    assert found.left_out == 2 and set(found.problems["bad"]) == {"score_not_finite"}
    auc = found.differences["good", "bad"]["auc"]
    assert auc.estimate.value > 0 and auc.estimate.low > 0 and auc.p_value < 0.02
    same = compare_systems(rows, {"a": good, "b": good}, {}, resamples=100)
    assert all(d.estimate.value == 0 and d.p_value == 1.0 for d in same.differences["a", "b"].values())
    bare = compare_systems(rows, {"a": good, "b": bad}, {}, resamples=0).differences["a", "b"]["fpr"].estimate
    assert np.isnan(bare.low) and not np.isnan(bare.value)
    text = comparison_markdown(found)
    assert "**good minus bad**" in text and "| AUC |" in text


def test_comparison_needs_common_rows():
    one = pandas.DataFrame({"path": ["av/1.mp4", "av/2.mp4"], "p_file": [0.1, np.nan]})
    with pytest.raises(DataError, match="not of both classes"):
        compare_systems(ROWS, {"a": one, "b": one}, {})
