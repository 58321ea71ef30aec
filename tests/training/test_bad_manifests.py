# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the data is said, row by row, before the first step."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cad.data.manifest import COLUMNS, read_manifest
from cad.data.records import Clip
from cad.data.shards import ClipStore, ShardWriter
from cad.errors import DataError
from cad.training.data import CadData

Fields = list[dict[str, str]]
Write = Callable[[Fields], str]


@pytest.fixture
def fields(shards: Path) -> Fields:
    return [dict(entry.row) for entry in ClipStore(shards)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_fields(fields: Fields) -> str:
        path = tmp_path / "manifest.csv"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(fields)
        return str(path)

    return write_fields


def test_a_good_manifest_passes(shards: Path, fields: Fields, write: Write) -> None:
    CadData([str(shards)], manifest=write(fields)).setup("fit")


def test_unknown_values_name_their_rows(fields: Fields, write: Write) -> None:
    fields[1]["label"] = "perhaps"
    fields[4]["video_fake"] = "2"
    fields[6]["split"] = "test"
    fields[7]["path"] = fields[0]["path"]
    with pytest.raises(DataError) as caught:
        read_manifest(write(fields))
    text = str(caught.value)
    assert f"label 'perhaps' (accepted: real, fake): row 2 ({fields[1]['path']})" in text
    assert f"video_fake '2' (accepted: 1, 0, -1): row 5 ({fields[4]['path']})" in text
    assert "split 'test' (accepted: train, val): row 7" in text
    assert f"path occurs twice: row 8 ({fields[0]['path']})" in text


def test_missing_columns_and_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path / "nothing.csv")
    (tmp_path / "short.csv").write_text("path,label\na.mp4,real\n")
    with pytest.raises(DataError, match="no column video_fake, audio_fake"):
        read_manifest(tmp_path / "short.csv")


def test_missing_and_empty_files_are_named(shards: Path, fields: Fields, write: Write, tmp_path: Path) -> None:
    for field in fields[2:]:
        file = tmp_path / field["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"something")
    (tmp_path / fields[0]["path"]).write_bytes(b"")
    with pytest.raises(DataError, match=f"missing or empty file: {fields[0]['path']}, {fields[1]['path']}$"):
        CadData([str(shards)], manifest=write(fields), root=str(tmp_path)).setup("fit")


def test_rows_without_a_clip_are_named_unless_excused(
    shards: Path, fields: Fields, write: Write, tmp_path: Path
) -> None:
    extra = {**fields[0], "path": "av/lost.mp4"}
    manifest = write([*fields, extra])
    with pytest.raises(DataError, match=r"no clip in the shards: av/lost\.mp4"):
        CadData([str(shards)], manifest=manifest).setup("fit")
    CadData([str(shards)], manifest=manifest, excused=["av/lost.mp4"]).setup("fit")
    (tmp_path / "failures.tsv").write_text("av/lost.mp4\tno face found\ttrain\n")
    CadData([str(shards)], manifest=manifest, excused=str(tmp_path / "failures.tsv")).setup("fit")


def test_a_clip_with_nothing_in_it_is_named(shards: Path, fields: Fields, tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "more") as writer:
        nothing = np.zeros(5, bool)
        writer.write(Clip("empty.mp4", None, None, nothing, None, nothing), {**fields[0], "path": "empty.mp4"})
    with pytest.raises(DataError, match=r"zero-length clip: empty\.mp4"):
        CadData([str(shards), str(tmp_path)]).setup("fit")


def test_one_class_only_is_refused(shards: Path, fields: Fields, write: Write) -> None:
    one_sided = [field for field in fields if field["split"] == "val" or field["label"] == "fake"]
    with pytest.raises(DataError, match="train has only fake rows: av/train_fake_0"):
        CadData([str(shards)], manifest=write(one_sided)).setup("fit")
    with pytest.raises(DataError, match="val has no rows"):
        CadData([str(shards)], manifest=write([f for f in fields if f["split"] == "train"])).setup("fit")


def test_a_person_on_both_sides_is_named(shards: Path, fields: Fields, write: Write) -> None:
    by_path = {field["path"]: field for field in fields}
    by_path["av/val_real_2"]["identity"] = by_path["av/train_fake_1"]["identity"]
    with pytest.raises(DataError, match=r"person on both sides .*train_av_1 \(av/train_\w+_1 and av/val_real_2\)"):
        CadData([str(shards)], manifest=write(fields)).setup("fit")


def test_a_cloned_voice_may_be_anyones(shards: Path, fields: Fields, write: Write) -> None:
    by_path = {field["path"]: field for field in fields}
    by_path["speech/val_fake_0"]["identity"] = by_path["speech/train_real_0"]["identity"]
    CadData([str(shards)], manifest=write(fields)).setup("fit")
