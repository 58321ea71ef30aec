# SPDX-License-Identifier: Apache-2.0
"""Any manifest can be trained on: split words, people held back, several sets, shards made when they are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import made_clip
from made_media import talk, write_wav

from cad.data.manifest import Row, frame_of, write_manifest
from cad.data.shards import ClipStore, ShardWriter
from cad.errors import DataError, OptionError
from cad.training.data import CadData
from cad.training.draw import Draw, Mix
from cad.training.holding_back import held_back
from cad.training.scores import Scored
from cad.training.set_table import set_scores, table_of
from cad.training.train_samples import WindowLengths
from cad.training.val_samples import Part
from cad.training.words import with_lists


def write_set(folder: Path, name: str, rows: Sequence[Row], suffix: str = ".parquet") -> tuple[str, str]:
    """Write a manifest and shards with a made clip for each row; return where both are."""
    rng = np.random.default_rng(5)
    with ShardWriter(folder / "made" / name, name) as writer:
        for row in rows:
            writer.write(made_clip(row.path, rng, row.identity, row.source, row.path.endswith("mp4")), row.as_text())
    write_manifest(frame_of(rows), folder / f"{name}{suffix}", folder)
    return str(folder / f"{name}{suffix}"), str(folder / "made" / name)


def people(count: int, split: str = "train", start: int = 0, suffix: str = ".mp4") -> list[Row]:
    """A genuine clip and a forged one of each of so many people."""
    return [
        Row(
            f"{split}{who}_{fake}{suffix}",
            fake,
            fake if suffix == ".mp4" else -1,
            fake,
            identity=f"p{who}",
            split=split,
        )
        for who in range(start, start + count)
        for fake in (0, 1)
    ]


def opened(manifest: str | list[str], shards: list[str] | None, **options: object) -> CadData:
    data = CadData(shards, manifest=manifest, workers=0, lengths=WindowLengths(20, 12, 0.5), **options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_tenth_of_the_people_is_held_back_and_nobody_is_on_both_sides() -> None:
    rows = people(40)
    held, together = held_back(rows, 0.1)
    assert held == held_back(rows[::-1], 0.1)[0] and together == "people, donors and pairs"
    inside = Counter(row.label for row in rows if row.path in held)
    assert inside == {0: 4, 1: 4}
    names = {row.identity for row in rows if row.path in held}
    assert not names & {row.identity for row in rows if row.path not in held}


def test_donors_and_pairs_stay_with_their_people_unless_they_tie_all_together() -> None:
    donors = [replace(row, source_identity=f"p{(int(row.identity[1:]) + 1) % 4 + int(row.identity[1:]) // 4 * 4}")
              for row in people(40)]  # fmt: skip
    held, together = held_back(donors, 0.2)
    assert together == "people, donors and pairs" and len(held) % 8 == 0
    ring = [replace(row, source_identity=f"p{(int(row.identity[1:]) + 1) % 40}") for row in people(40)]
    held, together = held_back(ring, 0.1)
    assert together.startswith("people and pairs, not donors") and len(held) == 8
    nameless = [replace(row, identity="unknown", pair_id=f"pair{n // 4}") for n, row in enumerate(people(40))]
    held, _ = held_back(nameless, 0.1)
    assert len({row.pair_id for row in nameless if row.path in held}) == len(held) / 4
    assert held_back([replace(row, identity="ann") for row in people(20)], 0.1)[1].startswith("pairs alone")


def test_few_people_still_give_both_classes_to_both_sides() -> None:
    for count in (2, 3, 5):
        rows = people(count)
        held, _ = held_back(rows, 0.1)
        assert {row.label for row in rows if row.path in held} == {0, 1} and len(held) == 2
    uneven = [*people(2), *(Row(f"more{n}.mp4", 1, 1, 1, identity="p0", split="train") for n in range(30))]
    held, _ = held_back(uneven, 0.1)
    assert {row.label for row in uneven if row.path in held} == {0, 1}
    assert {row.label for row in uneven if row.path not in held} == {0, 1}


def test_a_set_without_val_says_how_to_hold_some_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*people(10), *people(3, "test", 20)]
    manifest, shards = write_set(tmp_path, "fav", rows)
    with pytest.raises(DataError, match=r"^fav: val has no rows; --data\.val_share 0\.1 holds"):
        opened(manifest, [shards])
    with caplog.at_level("INFO", "cad"):
        data = opened(manifest, [shards], val_share=0.2)
    assert Counter(row.split for row in data.rows) == {"train": 16, "val": 4}
    assert "fav: rows of other splits, passed over: 6 test" in caplog.text
    assert "fav: val has no rows; 4 of 20 train rows are held back for it; what stays together: people" in caplog.text
    with pytest.raises(DataError, match="fav: train has no rows"):
        opened(write_set(tmp_path / "b", "fav", people(3, "test"))[0], [shards], val_share=0.2)


def test_rows_without_any_split_are_trained_on(tmp_path: Path) -> None:
    manifest, shards = write_set(tmp_path, "own", [replace(row, split="") for row in people(6)], ".csv")
    data = opened(manifest, [shards], val_share=0.2)
    assert Counter(row.split for row in data.rows) == {"train": 10, "val": 2}


def test_several_sets_are_drawn_by_weight_and_others_only_judged(tmp_path: Path) -> None:
    sets = {"fav": people(4), "lav": [*people(6), *people(2, "val", 10)], "celeb": people(3, "test")}
    places = {name: write_set(tmp_path, name, rows) for name, rows in sets.items()}
    manifests, shards = zip(*places.values(), strict=True)
    data = opened(list(manifests[:2]), list(shards), test_manifest=manifests[2], set_weights={"fav": 3},
                  val_share=0.25, mix=Mix(1, 0, 1, 0, 0, 0), augment=False)  # fmt: skip
    assert data.set_names == ["fav", "lav", "celeb"]
    assert Counter(data.set_of(row.path) for row in data.train_rows) == {"fav": 6, "lav": 12}
    assert Counter(data.set_of(row.path) for row in data.judged_rows) == {"fav": 2, "lav": 4}
    assert {data.set_of(row.path) for row in data.tested_rows} == {"celeb"} and len(data.tested_rows) == 6
    samples = data.train_samples()
    drawn = Counter(data.set_of(samples[number].key) for number in range(120))
    assert 70 <= drawn["fav"] <= 108 and drawn["celeb"] == 0
    judged = Counter((data.set_of(item.row.path), item.row.split) for item in data.table_windows)
    assert judged == {("fav", "val"): 2, ("lav", "val"): 4, ("celeb", "test"): 6}
    assert not any(data.set_of(item.row.path) == "celeb" for item in data.fixed_windows())
    with pytest.raises(OptionError, match="set_weights: no set fab; there are fav"):
        CadData(manifest=manifests[0], set_weights={"fab": 1})
    with pytest.raises(OptionError, match="several manifests are called fav"):
        opened([manifests[0], str(tmp_path / "x" / "fav.csv")], None)


def test_people_of_two_sets_may_have_one_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = write_set(tmp_path, "one", [*people(2), *people(2, "val", 10)])
    two = write_set(tmp_path, "two", [*people(2, start=10), *people(2, "val", 0)])
    opened([one[0], two[0]], [one[1], two[1]])
    assert "in train and in val" not in caplog.text


def test_kinds_without_rows_get_no_share_and_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*people(3, suffix=".wav"), *people(2, "val", 10, ".wav")]
    manifest, shards = write_set(tmp_path, "asv", rows)
    data = opened(manifest, [shards], augment=False)
    samples = data.train_samples()
    assert "no rows for samples of kind genuine, forged, fake: share 0" in caplog.text
    assert "no training clip has a picture: the video stream learns nothing" in caplog.text
    assert data.streams == {"audio"}
    assert {samples[number].clip_labels[2] for number in range(12)} == {0, 1}
    faces = [row for row in people(3) if not row.is_fake]
    with pytest.raises(DataError, match=r"of what is left \(genuine\) nothing tells the classes apart"):
        Draw({(True, False): faces}, Mix(1, 0, 1, 0, 0, 0), 1.0)


def test_one_class_is_an_error_that_names_the_set(tmp_path: Path) -> None:
    rows = [*(row for row in people(4) if row.is_fake), *people(2, "val", 10)]
    manifest, shards = write_set(tmp_path, "fav", rows)
    with pytest.raises(DataError, match=r"fav\.parquet cannot be used:\s+train has only fake rows: train0_1\.mp4"):
        opened(manifest, [shards])


def test_shards_are_made_on_the_first_start_and_what_changes_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*people(4, suffix=".wav"), *people(2, "val", 10, ".wav")]
    for number, row in enumerate(rows):
        write_wav(tmp_path / row.path, talk(1.5, seed=number))
    (tmp_path / rows[0].path).write_bytes(b"no sound")
    gone = replace(rows[0], path="gone.wav")
    write_manifest(frame_of([*rows, gone]), tmp_path / "asv.csv")
    data = opened(str(tmp_path / "asv.csv"), None, shard_folder=str(tmp_path / "shards"))
    assert len(data.rows) == 11
    assert "asv: 1 of 13 files are missing or empty: gone.wav" in caplog.text
    assert "asv: 2 of 13 rows give no clip and are left out" in caplog.text
    (first,) = (tmp_path / "shards" / "asv").glob("*.tar")
    before = first.stat().st_mtime_ns

    more = people(1, start=20, suffix=".wav")
    for number, row in enumerate(more):
        write_wav(tmp_path / row.path, talk(1.5, seed=50 + number))
    write_manifest(frame_of([*rows, gone, *more]), tmp_path / "asv.csv")
    data = opened(str(tmp_path / "asv.csv"), None, shard_folder=str(tmp_path / "shards"))
    assert len(data.rows) == 13 and first.stat().st_mtime_ns == before
    assert len(ClipStore(tmp_path / "shards" / "asv").keys) == 13

    write_manifest(frame_of(rows), tmp_path / "elsewhere" / "asv.csv")
    with pytest.raises(
        DataError, match=r"asv: not one of 12 files is under .*elsewhere; --data\.root names the folder"
    ):
        opened(str(tmp_path / "elsewhere" / "asv.csv"), None, shard_folder=str(tmp_path / "other"))


def test_a_run_is_as_long_as_its_set_is_large(tmp_path: Path) -> None:
    manifest, shards = write_set(tmp_path, "fav", [*people(50), *people(2, "val", 90)])
    assert opened(manifest, [shards], batches=None, passes=10, batch_size=8).batches == 125
    assert opened(manifest, [shards], batches=None, passes=1, batch_size=8).batches == 20


def test_the_table_has_a_row_for_each_set_and_stream() -> None:
    def scored(key: str, labels: tuple[float, ...], logit: float) -> Scored:
        return Scored(key, "", Part.ROWS, 0, True, False, labels, (logit,) * 4, np.nan, 0.0)

    clips = [scored("a/1", (0, 0, 0, 0), -1.0), scored("a/2", (1, 0, 1, -1), 2.0), scored("a/3", (0, 0, 0, 0), 3.0),
             scored("b/1", (1, -1, -1, -1), 1.0)]  # fmt: skip
    scores = set_scores(clips, lambda key: (key[0], "val" if key[0] == "a" else "test"))
    assert [(score.set, score.stream, score.genuine, score.fake) for score in scores] == [
        ("a", "fused", 2, 1), ("a", "video", 3, 0), ("a", "audio", 2, 1), ("b", "fused", 0, 1)
    ]  # fmt: skip
    assert scores[0].auc == 0.5 and scores[0].accuracy == pytest.approx(2 / 3) and 0 < scores[0].eer <= 1
    table = table_of(scores)
    assert table[2].startswith("| a | val | fused | 2 | 1 | 0.500 | ") and len(table) == 6
    assert table[3] == "| a | val | video | 3 | 0 | - | - | 0.333 |"


def test_files_may_follow_one_option() -> None:
    assert with_lists(["--data.manifest=a.csv", "b.csv", "--x"]) == ['--data.manifest=["a.csv", "b.csv"]', "--x"]
    assert with_lists(['--data.shards=["a", "b"]', "--y", "1"]) == ['--data.shards=["a", "b"]', "--y", "1"]
    assert with_lists(["--data.test_manifest", "c.csv"]) == ['--data.test_manifest=["c.csv"]']
