# SPDX-License-Identifier: Apache-2.0
"""One reader for all: CSV and Parquet, words and numbers, what a row may lack and how a bad one is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from layouts import fakeavceleb
from made_media import talk, write_wav
from tool_module import load_tool

from cad.data.checks import check_manifest, check_training, refuse_errors
from cad.data.manifest import (
    COLUMNS,
    Row,
    frame_of,
    is_unnamed,
    manifest_of_clips,
    read_manifest,
    shared_identities,
    write_manifest,
)
from cad.data.shards import ClipEntry, ClipStore
from cad.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "datasets"))

import prepare  # noqa: E402

ROWS = [
    Row("a.mp4", 0, 0, 0, identity="ann", split="train", duration_seconds=2.0),
    Row("b.mp4", 1, 1, 0, "swap", identity="bob", split="val", fake_segments=((0.5, 1.0),), duration_seconds=2.0,
        video_fake_segments=((0.5, 1.0),)),
]  # fmt: skip


def read(tmp_path: Path, text: str | bytes, **options):
    path = tmp_path / "m.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_manifest(path, **options)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    write_manifest(frame_of(ROWS), path, tmp_path / "data")
    manifest = read_manifest(path)
    assert manifest.records() == ROWS
    assert manifest.rows["fake_segments"].tolist() == ["", "[[0.5, 1.0]]"]
    assert manifest.root == ((tmp_path / "data").resolve() if suffix == ".parquet" else tmp_path)
    assert manifest.select("val").records() == ROWS[1:]
    with pytest.raises(DataError, match=r"no row has split 'test'.*train.*val"):
        manifest.select("test")
    chosen, others = manifest.in_splits(("val", "test"))
    assert chosen.records() == ROWS[1:] and others == {"train": 1}


@pytest.mark.parametrize("labels", [("real", "fake"), ("Bonafide", " spoof "), ("0", "1"), ("original", "Manipulated")])
def test_words_and_numbers_are_labels(tmp_path, labels):
    manifest = read(tmp_path, f"path,label\n1.wav,{labels[0]}\n2.wav,{labels[1]}\n")
    assert manifest.records() == [Row("1.wav", 0), Row("2.wav", 1)]


def test_parquet_of_others_is_read(tmp_path):
    """Words for labels, missing values, people as numbers, a dictionary column, no further columns."""
    frame = pandas.DataFrame({
        "path": ["1.wav", "2.wav"], "label": ["real", "fake"], "audio_fake": [0.0, np.nan], "identity": [7, 8],
        "source": pandas.Categorical(["page", None]),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").records() == [
        Row("1.wav", 0, audio_fake=0, identity="7", source="page"),
        Row("2.wav", 1, identity="8"),
    ]


def test_marks_and_line_ends_of_other_systems(tmp_path):
    manifest = read(tmp_path, b'\xef\xbb\xbfpath,label,note\r\n"a,b.wav",real,NA\r\nc.wav,fake,\r\n')
    assert manifest.records() == [Row("a,b.wav", 0, note="NA"), Row("c.wav", 1)]


def test_further_columns_are_kept_and_the_first_of_equal_paths(tmp_path):
    manifest = read(tmp_path, "path,label,bytes\n1.wav,real,10\n2.wav,fake,11\n1.wav,fake,12\n")
    assert manifest.rows["bytes"].tolist() == ["10", "11"] and manifest.repeated_paths == ("1.wav",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\nb,real\na,perhaps\n",
            r"m\.csv cannot be used:\n  label 'perhaps' \(accepted: 1, .*: row 2 \(a\)",
        ),
        ("path,label\na,\n", r"label '' .*row 1 \(a\)"),
        ("path,label\n,real\n", r"no path: row 1 \(no path\)"),
        ("path,label,audio_fake\na,real,yes\n", r"audio_fake 'yes' \(accepted: 1, 0, -1\): row 1"),
        ("path,label,fps\na,real,fast\n", r"fps 'fast' \(accepted: a number\): row 1"),
        ("path,label\n" + "a,perhaps\n" * 7, r"row 5 \(a\) and 2 more"),
        ("path,label\n" + "".join(f"a,{n}?\n" for n in range(13)), "and 3 more kinds of problem"),
        ("file,label\na,real\n", r"m\.csv: no column path; needed are path, label"),
        ("path,label\na,real,1\n", "row 1 has more fields than the header"),
        ("path,label\na,real\nb,real,1\n", "not a CSV file: .*line 3"),
        ("", "not a CSV"),
        (b"path,label\n\xff,real\n", "not a CSV"),
    ],
)
def test_bad_manifests_name_file_and_row(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_bad_parquet_and_absent(tmp_path):
    (tmp_path / "m.parquet").write_text("no")
    with pytest.raises(DataError, match="not a Parquet"):
        read_manifest(tmp_path / "m.parquet")
    with pytest.raises(DataError, match="there is no manifest"):
        read_manifest(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="segments must be a JSON list"):
        read(tmp_path, "path,label,fake_segments\na,fake,half\n").records()


def test_shards_carry_rows_as_text():
    present = np.ones(1, bool)
    entries = [ClipEntry(row.path, 1, present, present, row.as_text()) for row in ROWS]
    assert manifest_of_clips(entries, "shards").records() == ROWS
    entries = [ClipEntry("old.mp4", 1, present, present, {"label": "fake", "audio_fake": "1", "split": "val"})]
    assert manifest_of_clips(entries, "shards").records() == [Row("old.mp4", 1, audio_fake=1, split="val")]


@pytest.mark.parametrize(
    ("rows", "leak"),
    [
        ([Row("a", 0, 0, 0, identity="x", split="train"), Row("b", 1, 1, 0, identity="x", split="val")], True),
        ([Row("a", 0, 0, 0, identity="x", split="train"), Row("b", 0, 0, 0, identity="x", split="train")], False),
        ([Row("a", 0, 0, 0, identity="x", split="train"), Row("b", 0, 0, 0, identity="x")], False),
        ([Row("a", 0, -1, 0, identity="x", split="test"), Row("b", 0, -1, 0, identity="x", split="val")], True),
        # A cloned voice may be anyone's; a forged face of which nothing is known is still a face.
        ([Row("a", 1, -1, 1, identity="x", split="train"), Row("b", 0, -1, 0, identity="x", split="val")], False),
        ([Row("a", 1, -1, -1, identity="x", split="train"), Row("b", 0, 0, 0, identity="x", split="val")], True),
        ([Row("a", 0, 0, 0, identity="Nan", split="train"), Row("b", 0, 0, 0, identity="Nan", split="val")], False),
    ],
)
def test_the_leak_rule(tmp_path, rows, leak):
    frame = frame_of(rows)
    assert shared_identities(frame) == ({"x": {row.split: row.path for row in rows}} if leak else {})
    assert leak == (len({row.split for row in rows if row.person and row.split}) > 1)
    write_manifest(frame, tmp_path / "m.csv")
    manifest = read_manifest(tmp_path / "m.csv")
    codes = {finding.code for finding in check_manifest(manifest)}
    assert ("identity_on_two_sides" in codes) == leak
    if leak:
        with pytest.raises(DataError, match="identity_on_two_sides"):
            refuse_errors("m", check_manifest(manifest))


def test_nobody_has_one_meaning():
    from cad.metrics.score_counts import identity_codes

    names = ["", "-", " Unknown ", "nan", "ann", "ann"]
    assert [is_unnamed(name) for name in names] == [True] * 4 + [False] * 2
    assert len(set(identity_codes(names).tolist())) == 5


def test_a_prepared_set_reaches_shards_and_training(tmp_path):
    """FakeAVCeleb: prepare, make_shards and the checks of training take one and the same Parquet file."""
    root, out = tmp_path / "set", tmp_path / "m.parquet"
    fakeavceleb.make(root)
    splits = tmp_path / "splits.csv"
    splits.write_text("identity,split\nid00076,train\nid00020,val\n")
    arguments = ["fakeavceleb", "--root", str(root), "-o", str(out), "--identity-split", str(splits)]
    assert prepare.main([*arguments, "--no-probe"]) == 0
    assert tuple(read_manifest(out).rows.columns) == COLUMNS

    lost = fakeavceleb.ROWS[2].path
    # The files of the tree are no media; all but one become some.
    for row in read_manifest(out).records():
        if row.path != lost:
            write_wav(root / row.path, talk(0.5))
    tool = load_tool("data/make_shards")
    assert tool.main([str(out), "--out", str(tmp_path / "shards")]) == 3
    store = ClipStore(tmp_path / "shards")
    rows = {row.path: row for row in read_manifest(out).records()}
    assert manifest_of_clips(store, "shards").records() == [rows[key] for key in store.keys]
    assert {row.split for row in rows.values()} == {"train", "val"} and len(store.keys) == 8
    manifest, others = read_manifest(out).in_splits(("train", "val"))
    assert others == {}
    with pytest.raises(DataError) as caught:
        check_training(manifest, {entry.key: entry for entry in store}, str(out))
    assert str(caught.value).splitlines()[1:] == [f"  no clip in the shards: {lost}"]


@pytest.mark.shared
def test_the_training_clips_have_no_leak(shared_data):
    manifest = read_manifest(shared_data / "manifest.csv")
    assert shared_identities(manifest.rows) == {} and manifest.repeated_paths == ()
    assert {row.label for row in manifest.records()} == {0, 1}
