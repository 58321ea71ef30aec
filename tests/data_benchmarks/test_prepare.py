# SPDX-License-Identifier: Apache-2.0
"""``datasets/prepare.py``: what it says and returns, whatever the set."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from layouts import avdeepfake1m, lavdf
from layouts.layout import touch, write_csv

from cad.data.benchmarks import enrich
from cad.data.checks import check_manifest, check_training
from cad.data.manifest import Manifest, Row, frame_of, read_manifest
from cad.data.shards import ClipEntry
from cad.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "datasets"))

import prepare  # noqa: E402

FAST = ("--no-hash", "--no-probe")


def words(name, root, *more):
    return [name, "--root", str(root / "set"), "-o", str(root / "m.parquet"), *more]


def test_counts_by_split_class_and_folder(tmp_path, capsys):
    lavdf.make(tmp_path / "set", ("metadata.json",))
    (tmp_path / "set/dev/000003.mp4").unlink()
    (tmp_path / "set/train/000002.mp4").unlink()
    touch(tmp_path / "set", "train/9.mp4")
    assert prepare.main(words("lavdf", tmp_path, *FAST)) == 0
    out, err = capsys.readouterr()
    assert "3 rows\n  train: 1 real, 0 fake\n  val: 1 real, 0 fake\n  test: 0 real, 1 fake\n" in out
    assert "2 x missing_file (1 in dev/, 1 in train/), for instance dev/000003.mp4: the index names it" in err
    assert "1 x file_without_row, for instance train/9.mp4" in err
    assert (tmp_path / "m.problems.csv").read_text().count("\n") == 4
    lavdf.make(tmp_path / "set", ("metadata.json",))
    (tmp_path / "set/train/9.mp4").unlink()
    assert prepare.main(words("lavdf", tmp_path, *FAST)) == 0
    assert not (tmp_path / "m.problems.csv").exists()  # an old list of problems does not stay


def test_an_error_is_exit_1_and_the_manifest_is_written(tmp_path, capsys):
    write_csv(tmp_path / "set/labels.csv", [
        ["path", "label", "video_fake", "identity", "split"], ["1.mp4", "real", "0", "ann", "train"],
        ["2.mp4", "fake", "1", "ann", "test"],
    ])  # fmt: skip
    touch(tmp_path / "set", "1.mp4", "2.mp4")
    assert prepare.main(words("table", tmp_path, *FAST)) == 1
    assert "error: identity_on_two_sides: 1 times" in capsys.readouterr().err
    assert len(read_manifest(tmp_path / "m.parquet").rows) == 2


def test_people_in_two_official_splits_are_a_warning_with_their_number(tmp_path, capsys):
    avdeepfake1m.plus_plus(tmp_path / "set", twice=False)
    assert prepare.main(words("avdeepfake1m_plusplus", tmp_path, *FAST)) == 0
    err = capsys.readouterr().err
    assert (
        "warning: official_splits_share_people: 1 times: people are on two sides, as the set's authors split it" in err
    )
    assert "id01358" in err and "identity_on_two_sides" not in err and "voice_on_two_sides" not in err


@pytest.mark.parametrize(("dataset", "refused"), [("avdeepfake1m", False), ("celebdf", False), ("mine", True)])
def test_training_takes_official_splits_as_they_are(dataset, refused):
    rows = [
        Row(f"{split}/{label}.mp4", label, label, 0, identity="ann", split=split, dataset=dataset)
        for split in ("train", "val")
        for label in (0, 1)
    ]
    manifest = Manifest(frame_of(rows), Path())
    codes = {finding.code for finding in check_manifest(manifest)}
    assert ("identity_on_two_sides" in codes) == refused and ("official_splits_share_people" in codes) != refused
    clips = {row.path: ClipEntry(row.path, 1, np.ones(1, bool), np.ones(1, bool), {}) for row in rows}
    if refused:
        with pytest.raises(DataError, match="person on both sides"):
            check_training(manifest, clips, "m")
    else:
        check_training(manifest, clips, "m")


def test_a_list_of_splits_that_is_not_there_is_refused(tmp_path, capsys):
    lavdf.make(tmp_path / "set", ("metadata.json",))
    assert prepare.main(words("lavdf", tmp_path, *FAST, "--identity-split", str(tmp_path / "absent.csv"))) == 2
    assert "absent.csv cannot be read" in capsys.readouterr().err
    write_csv(tmp_path / "s.csv", [["identity", "split"], ["train/000001.mp4"]])
    assert prepare.main(words("lavdf", tmp_path, *FAST, "--identity-split", str(tmp_path / "s.csv"))) == 2
    assert "s.csv, line 2: has 1 fields where the header has 2" in capsys.readouterr().err


def test_one_file_that_cannot_be_read_keeps_its_row(tmp_path, capsys, monkeypatch):
    lavdf.make(tmp_path / "set", ("metadata.json",))
    sha256 = enrich.file_sha256

    def refuse(file):
        if file.name == "000002.mp4":
            raise PermissionError(13, "Permission denied")
        return sha256(file)

    monkeypatch.setattr(enrich, "file_sha256", refuse)
    assert prepare.main(words("lavdf", tmp_path, "--no-probe")) == 0
    assert "1 x unreadable, for instance train/000002.mp4: [Errno 13] Permission denied" in capsys.readouterr().err
    rows = read_manifest(tmp_path / "m.parquet").records()
    assert [row.path for row in rows] == [row.path for row in lavdf.ROWS]
    assert [len(row.sha256) for row in rows] == [64, 0, 64, 64, 64]
