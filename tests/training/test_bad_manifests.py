# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the data is said, row by row, before the first step."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
            writer = csv.DictWriter(stream, list(fields[0]))
            writer.writeheader()
            writer.writerows(fields)
        return str(path)

    return write_fields


def test_a_good_manifest_passes(shards: Path, fields: Fields, write: Write) -> None:
    CadData([str(shards)], manifest=write(fields)).setup("fit")


def test_unknown_values_and_repeated_paths_name_their_rows(shards: Path, fields: Fields, write: Write) -> None:
    fields[1]["label"] = "perhaps"
    fields[4]["video_fake"] = "2"
    with pytest.raises(DataError) as caught:
        CadData([str(shards)], manifest=write(fields)).setup("fit")
    assert "label 'perhaps' (accepted: 1, 0, real, fake, bonafide" in str(caught.value)
    assert f"genuine, spoof, original, manipulated): row 2 ({fields[1]['path']})" in str(caught.value)
    assert f"video_fake '2' (accepted: 1, 0, -1): row 5 ({fields[4]['path']})" in str(caught.value)
    fields[1]["label"], fields[4]["video_fake"] = "1", "1"
    with pytest.raises(DataError, match=f"path occurs twice: {fields[0]['path']}$"):
        CadData([str(shards)], manifest=write([*fields, fields[0]])).setup("fit")


def test_rows_of_other_splits_are_passed_over_and_counted(
    shards: Path, fields: Fields, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    others = [{**fields[0], "path": f"{n}.mp4", "split": split} for n, split in enumerate(["test", "test", ""])]
    data = CadData([str(shards)], manifest=write([*fields, *others]))
    with caplog.at_level("INFO", "cad.training.sets"):
        data.setup("fit")
    assert len(data.rows) == len(fields) and "passed over: 2 test, 1 without one" in caplog.text


def test_a_path_and_a_label_are_enough(shards: Path, fields: Fields, tmp_path: Path) -> None:
    lines = [f"{field['path']},{field['label']},{field['split']}" for field in fields]
    (tmp_path / "short.csv").write_text("\n".join(["path,label,split", *lines]))
    data = CadData([str(shards)], manifest=str(tmp_path / "short.csv"))
    data.setup("fit")
    genuine = next(row for row in data.rows if row.path == "av/train_real_0")
    forged = next(row for row in data.rows if row.path == "av/train_fake_0")
    assert (genuine.video_fake, genuine.audio_fake) == (0, 0) and (forged.video_fake, forged.audio_fake) == (-1, -1)
    (tmp_path / "short.csv").write_text("path,real\na.mp4,1\n")
    with pytest.raises(DataError, match="no column label; needed are path, label"):
        CadData([str(shards)], manifest=str(tmp_path / "short.csv")).setup("fit")


def test_labels_may_be_numbers_in_manifests_and_shards(shards: Path, fields: Fields, write: Write) -> None:
    as_words = CadData([str(shards)])
    as_words.setup("fit")
    numbers = [{**field, "label": str(int(field["label"] == "fake"))} for field in fields]
    as_numbers = CadData([str(shards)], manifest=write(numbers))
    as_numbers.setup("fit")
    assert as_numbers.rows == as_words.rows


def test_rows_without_a_clip_are_named_unless_a_reason_lies_beside_the_shards(
    shards: Path, fields: Fields, write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = [str(shutil.copy(path, tmp_path)) for path in shards.glob("*.tar")]
    manifest = write([*fields, {**fields[0], "path": "av/lost.mp4"}])
    with pytest.raises(DataError, match=r"no clip in the shards .*: av/lost\.mp4"):
        CadData(places, manifest=manifest).setup("fit")
    (tmp_path / "failures.tsv").write_text("av/lost.mp4\tno face found\ttrain\t7\n")
    data = CadData(places, manifest=manifest)
    data.setup("fit")
    assert "1 of 25 rows give no clip and are left out: no face found (1)" in caplog.text
    assert len(data.rows) == len(fields)


def test_clips_of_other_files_are_not_trained_on(shards: Path, fields: Fields, write: Write, tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "shards", "made") as writer:
        store = ClipStore(shards)
        for field in fields:
            writer.write(store.read(field["path"]), {**field, "sha256": "ab"})
    same = write([{**field, "sha256": "ab"} for field in fields])
    CadData([str(tmp_path / "shards")], manifest=same).setup("fit")
    other = write([{**field, "sha256": "ab" if number else "cd"} for number, field in enumerate(fields)])
    with pytest.raises(
        DataError, match=rf"made from other files \(sha256\) than the manifest names: {fields[0]['path']};"
    ):
        CadData([str(tmp_path / "shards")], manifest=other).setup("fit")


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


def test_a_person_on_both_sides_is_said(
    shards: Path, fields: Fields, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    by_path = {field["path"]: field for field in fields}
    by_path["av/val_real_2"]["identity"] = by_path["av/train_fake_1"]["identity"]
    with pytest.raises(DataError, match=r"person on both sides of the split: train_av_1 \(av/train_"):
        CadData([str(shards)], manifest=write(fields)).setup("fit")
    # The authors of some sets split them so.
    for field in fields:
        field["dataset"] = "celebdf"
    CadData([str(shards)], manifest=write(fields)).setup("fit")
    assert "1 people are in train and in val, which flatters val: train_av_1 (av/train_" in caplog.text


def test_a_cloned_voice_may_be_anyones(shards: Path, fields: Fields, write: Write) -> None:
    by_path = {field["path"]: field for field in fields}
    by_path["speech/val_fake_0"]["identity"] = by_path["speech/train_real_0"]["identity"]
    CadData([str(shards)], manifest=write(fields)).setup("fit")
