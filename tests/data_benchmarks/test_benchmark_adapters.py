# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest
import trees

from cad.data.benchmarks.registry import adapter
from cad.errors import DataError, OptionError


def scan(name, tree, tmp_path):
    found = adapter(name).scan(tree(tmp_path))
    return {row.path: row for row in found.rows}, Counter(problem.kind for problem in found.problems)


def facts(row):
    return row.label, row.video_fake, row.audio_fake


def test_fakeavceleb(tmp_path):
    rows, problems = scan("fakeavceleb", trees.fakeavceleb, tmp_path)
    assert problems == {"duplicate_row": 1, "missing_file": 1}
    assert {path: facts(row) for path, row in rows.items()} == {
        "RealVideo-RealAudio/African/men/id00076/00109.mp4": (0, 0, 0),
        "RealVideo-FakeAudio/African/men/id00166/00010_fake.mp4": (1, 0, 1),
        "FakeVideo-RealAudio/African/men/id00076/00109_id00166.mp4": (1, 1, 0),
        "FakeVideo-FakeAudio/Asian (East)/women/id00020/1_2.mp4": (1, 1, 1),
    }
    swapped = rows["FakeVideo-RealAudio/African/men/id00076/00109_id00166.mp4"]
    assert (swapped.identity, swapped.source_identity, swapped.method) == ("id00076", "id00166", "faceswap")
    assert swapped.pair_id == rows["RealVideo-RealAudio/African/men/id00076/00109.mp4"].pair_id


def test_dfdc_does_not_guess_which_stream_is_forged(tmp_path):
    rows, problems = scan("dfdc", trees.dfdc, tmp_path)
    assert problems == {"no_label": 1}
    assert facts(rows["dfdc_train_part_0/a.mp4"]) == (0, 0, 0)
    assert facts(rows["dfdc_train_part_0/b.mp4"]) == (1, -1, -1)
    assert rows["dfdc_train_part_0/b.mp4"].identity == rows["dfdc_train_part_0/a.mp4"].identity == "a.mp4"


def test_faceforensics(tmp_path):
    rows, problems = scan("faceforensics", trees.faceforensics, tmp_path)
    assert problems == {"missing_index": 1, "not_in_splits": 1}
    forged = rows["manipulated_sequences/NeuralTextures/c40/videos/003_000.mp4"]
    assert facts(forged) == (1, 1, -1) and (forged.identity, forged.source_identity) == ("003", "000")
    assert (forged.method, forged.category, forged.split) == ("NeuralTextures", "c40", "train")
    assert rows["original_sequences/youtube/c40/videos/999.mp4"].split == ""


def test_celebdf_turns_the_list_over(tmp_path):
    rows, problems = scan("celebdf", trees.celebdf, tmp_path)
    assert problems == {"missing_file": 1}  # and no label_conflict: 1 in the list is real
    assert {path: (row.label, row.split) for path, row in rows.items()} == {
        "Celeb-real/id0_0000.mp4": (0, "test"),
        "Celeb-real/id1_0000.mp4": (0, "train"),
        "YouTube-real/00000.mp4": (0, "test"),
        "Celeb-synthesis/id0_id16_0000.mp4": (1, "test"),
        "Celeb-synthesis/id1_id3_0000.mp4": (1, "train"),
    }
    forged = rows["Celeb-synthesis/id0_id16_0000.mp4"]
    assert (forged.identity, forged.source_identity) == ("id0", "id16")


def test_celebdf_tells_a_list_that_contradicts_its_folders(tmp_path):
    root = trees.celebdf(tmp_path)
    (root / "List_of_testing_videos.txt").write_text("0 Celeb-real/id0_0000.mp4\n")
    assert [problem.kind for problem in adapter("celebdf").scan(root).problems] == ["label_conflict"]


def test_deepfaketimit(tmp_path):
    rows, problems = scan("deepfaketimit", trees.deepfaketimit, tmp_path)
    assert not problems and len(rows) == 3
    forged = rows["higher_quality/fadg0/sa1-video-fram1.avi"]
    assert facts(forged) == (1, 1, 0) and (forged.identity, forged.source_identity) == ("fadg0", "fram1")
    assert facts(rows["vidtimit/fadg0/video/sa1.avi"]) == (0, 0, 0)
    assert rows["vidtimit/fadg0/video/sa1.avi"].pair_id == forged.pair_id


def test_folders(tmp_path):
    rows, problems = scan("folders", trees.folders, tmp_path)
    assert problems == {"no_class": 1}
    assert facts(rows["train/real/ann/1.mp4"]) == (0, 0, 0) and rows["train/real/ann/1.mp4"].identity == "ann"
    forged = rows["train/Fake/wav2lip/bob/2.mp4"]
    assert (forged.label, forged.method, forged.identity, forged.split) == (1, "wav2lip", "bob", "train")
    assert facts(rows["test/fake_v2/tts/3.wav"]) == (1, -1, 1)


def test_unknown_adapter_names_the_nearest():
    with pytest.raises(OptionError, match=r"did you mean .*fakeavceleb"):
        adapter("FakeAVCelb")


def test_broken_index(tmp_path):
    (tmp_path / "metadata.json").write_text("{")
    with pytest.raises(DataError, match=r"no clip of LAV-DF was found; 1 problems, the first: metadata.json, entry 1"):
        adapter("lavdf").scan(tmp_path)
    (tmp_path / "meta_data.csv").write_text("source,path\n1,2\n")
    with pytest.raises(DataError, match="lacks the column"):
        adapter("fakeavceleb").scan(tmp_path)
