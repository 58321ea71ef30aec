# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb's forgeries under the names of papers, and rows chosen by a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from cad.data.manifest import Manifest, Row, frame_of
from cad.errors import DataError, OptionError
from cad.evaluation.joining import join
from cad.evaluation.paper_groups import PAPER_GROUPS, with_paper_groups
from cad.evaluation.protocols import load_protocol
from cad.evaluation.report import build_report
from cad.evaluation.report_tables import group_tables
from cad.evaluation.row_filters import RowFilter, filtered
from cad.metrics.roc import auc_of

PROTOCOLS = Path(__file__).resolve().parents[2] / "configs" / "protocols"
#: Every pair of category and method that FakeAVCeleb v1.2 has, and what papers call it.
PAIRS = {
    ("RealVideo-RealAudio", "real"): "RVRA",
    ("RealVideo-FakeAudio", "rtvc"): "RVFA",
    ("FakeVideo-RealAudio", "wav2lip"): "FVRA-WL",
    ("FakeVideo-RealAudio", "faceswap"): "FVRA-FS",
    ("FakeVideo-RealAudio", "fsgan"): "FVRA-GAN",
    ("FakeVideo-FakeAudio", "faceswap-wav2lip"): "FVFA-FS",
    ("FakeVideo-FakeAudio", "fsgan-wav2lip"): "FVFA-GAN",
    ("FakeVideo-FakeAudio", "wav2lip"): "FVFA-WL",
}


def fakeavceleb(clips=4, people=3):
    """So many clips of every pair, split and identity given."""
    return [
        Row(
            path=f"{category}/{method}/{i}.mp4",
            label=int(method != "real"),
            video_fake=int(category.startswith("Fake")),
            audio_fake=int(category.endswith("FakeAudio")),
            method=method,
            category=category,
            identity=f"id{i % people}",
            dataset="fakeavceleb",
            split="test",
        )
        for category, method in PAIRS
        for i in range(clips)
    ]


def manifest_of(rows):
    return Manifest(frame_of(rows), Path())


def test_every_pair_has_the_name_that_papers_give_it():
    rows = with_paper_groups(manifest_of(fakeavceleb(1))).rows
    assert dict(zip(zip(rows["category"], rows["method"], strict=True), rows["group"], strict=True)) == PAIRS
    assert list(PAPER_GROUPS["fakeavceleb"]) == [name for name in PAIRS.values() if name != "RVRA"]


def test_other_forgeries_and_other_sets():
    rows = [
        Row("a.mp4", 1, 1, 0, "simswap", "FakeVideo-RealAudio", dataset="fakeavceleb"),
        Row("b.mp4", 1, 1, 0, "wav2lip", "FakeVideo-RealAudio", dataset="elsewhere"),
    ]
    assert with_paper_groups(manifest_of(rows)).rows["group"].tolist() == ["other", ""]
    assert "group" not in with_paper_groups(manifest_of(rows[1:])).rows


def test_the_table_of_groups_is_against_all_genuine_rows_with_the_mean_beneath(rng):
    manifest = with_paper_groups(manifest_of(fakeavceleb(12)))
    scores = pandas.DataFrame({"path": manifest.rows["path"], "p_file": rng.random(len(manifest.rows))})
    report = build_report(join(manifest.rows, scores), {}, groups=("group", "category", "method"), resamples=0)
    table, *others = group_tables(report, views=("file",))
    assert [other.title for other in others] == ["file, by category", "file, by method"]
    assert [line[0] for line in table.lines] == [*PAPER_GROUPS["fakeavceleb"], "AVG-FV"]
    assert {line[1] for line in table.lines[:-1]} == {"12 / 12"}
    column = table.headings.index("AUC")
    group = manifest.rows["group"].to_numpy()
    p = scores["p_file"].to_numpy()
    expected = {name: auc_of(p[group == name], p[group == "RVRA"]) for name in PAPER_GROUPS["fakeavceleb"]}
    assert {line[0]: line[column].value for line in table.lines[:-1]} == pytest.approx(expected)
    mean = np.mean([expected[name] for name in ("FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")])
    assert table.lines[-1][column].value == pytest.approx(mean) and "AVG-FV is the mean of" in table.note


def test_the_protocol_that_leaves_one_out_takes_the_same_groups(tmp_path):
    held = load_protocol("fakeavceleb_leave_one_out", PROTOCOLS).held_out
    assert list(held) == ["RVFA", "FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL"]
    assert held["FVFA-GAN"] == {"category": "FakeVideo-FakeAudio", "methods": ("fsgan-wav2lip", "fsgan")}
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: held_out\ntitle: t\ndataset: fakeavceleb\nheld_out: [RVFA, FVFA]\n")
    with pytest.raises(OptionError, match=r"held_out names \['FVFA'\]; groups of fakeavceleb are \['RVFA', "):
        load_protocol(str(bad), PROTOCOLS)


def chosen(text, names=("fav",)):
    manifests = {name: manifest_of(fakeavceleb(2)) for name in names}
    return {name: len(one.rows) for name, one in filtered(manifests, [RowFilter.of(text, names)]).items()}


def test_rows_are_chosen_by_any_column():
    assert chosen("method=wav2lip,real") == {"fav": 6}
    assert chosen("category!=FakeVideo-FakeAudio") == {"fav": 10}
    assert chosen("label=0") == {"fav": 2} and chosen("identity=id1") == {"fav": 8}
    assert chosen("a:method=rtvc", ("a", "b")) == {"a": 2, "b": 16}
    two = filtered({"f": manifest_of(fakeavceleb(2))}, [RowFilter.of("method=wav2lip"), RowFilter.of("audio_fake=1")])
    assert set(two["f"].rows["category"]) == {"FakeVideo-FakeAudio"} and len(two["f"].rows) == 2
    assert str(RowFilter.of("a:x!=1,2", ("a",))) == "a:x!=1,2"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("categry=x", DataError, "fav has no column 'categry'; did you mean category"),
        ("category=c23", DataError, "fav has no row with category 'c23'; it has FakeVideo-RealAudio, "),
        ("method=wav2lip,Deepfakes", DataError, "no row with method 'Deepfakes'; it has wav2lip"),
        ("language=en", DataError, r"it has \(empty\)"),
        ("dataset!=fakeavceleb", DataError, "no row of fav is left where dataset!=fakeavceleb"),
        ("category", OptionError, "must be COLUMN=VALUE"),
        ("=x", OptionError, "must be COLUMN=VALUE"),
        ("other:method=real", OptionError, "manifests are fav"),
    ],
)
def test_mistakes_in_a_filter_are_one_line(text, error, message):
    with pytest.raises(error, match=message):
        chosen(text)
