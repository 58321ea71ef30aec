# SPDX-License-Identifier: Apache-2.0
"""What is odd in single sets of video, beside the mutations that every layout goes through."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections import Counter

import pytest
from layouts import celebdf as celebdf_layouts
from layouts import dfdc as dfdc_layouts
from layouts import fakeavceleb as fakeavceleb_layouts
from layouts import kodf as kodf_layouts
from layouts.faceforensics import released
from layouts.layout import touch

from cad.data.benchmarks.registry import adapter
from cad.data.checks import check_manifest
from cad.data.manifest import Manifest, frame_of
from cad.errors import DataError

#: What papers call a FakeAVCeleb fake, by category and method (arXiv 2406.02951 and later ones).
PAPER_NAMES = {
    ("RealVideo-FakeAudio", "rtvc"): "RVFA",
    ("FakeVideo-RealAudio", "faceswap"): "FVRA-FS",
    ("FakeVideo-RealAudio", "fsgan"): "FVRA-GAN",
    ("FakeVideo-RealAudio", "wav2lip"): "FVRA-WL",
    ("FakeVideo-FakeAudio", "wav2lip"): "FVFA-WL",
    ("FakeVideo-FakeAudio", "faceswap-wav2lip"): "FVFA-FS",
    ("FakeVideo-FakeAudio", "fsgan-wav2lip"): "FVFA-GAN",
}


def scan(name, root):
    found = adapter(name).scan(root)
    return {row.path: row for row in found.rows}, Counter(problem.kind for problem in found.problems)


def rewritten(path, change):
    """Write a CSV file anew with ``change`` applied to its rows."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(map(change, rows))


def test_fakeavceleb_has_every_fake_that_papers_name(tmp_path):
    fakeavceleb_layouts.make(tmp_path)
    rows, _ = scan("fakeavceleb", tmp_path)
    fakes = [(row.category, row.method) for row in rows.values() if row.is_fake]
    assert sorted(fakes) == sorted(PAPER_NAMES)


@pytest.mark.parametrize("name", ["Unnamed: 9", None])
def test_fakeavceleb_with_an_index_that_other_programs_wrote(name, tmp_path):
    """With pandas' name for the last column, or without that column."""
    fakeavceleb_layouts.make(tmp_path)
    expected, _ = scan("fakeavceleb", tmp_path)
    rewritten(tmp_path / "meta_data.csv", lambda row: [*row[:9], *([row[9] or name] if name else [])])
    assert scan("fakeavceleb", tmp_path)[0] == expected


def test_fakeavceleb_whose_type_contradicts_its_category(tmp_path):
    fakeavceleb_layouts.make(tmp_path)
    rewritten(tmp_path / "meta_data.csv", lambda row: ["D" if cell == "B" else cell for cell in row])
    rows, problems = scan("fakeavceleb", tmp_path)
    assert problems["label_conflict"] == 1 and not any("RealVideo-FakeAudio" in path for path in rows)


def test_celebdf_without_its_list_has_no_splits(tmp_path):
    celebdf_layouts.make(tmp_path)
    (tmp_path / celebdf_layouts.LIST).unlink()
    rows, problems = scan("celebdf", tmp_path)
    assert {row.split for row in rows.values()} == {""} and problems == {"missing_index": 1}


def test_celebdf_with_a_list_of_which_nothing_is_there_has_no_splits(tmp_path):
    celebdf_layouts.make(tmp_path)
    (tmp_path / celebdf_layouts.LIST).write_text("1 Celeb-real/id9_0009.mp4\n0 Celeb-synthesis/id9_id8_0009.mp4\n")
    rows, problems = scan("celebdf", tmp_path)
    assert {row.split for row in rows.values()} == {""} and problems == {"wrong_index": 1, "missing_file": 2}


@pytest.mark.parametrize(("name", "version", "listed"), [("celebdf", "v1", 100), ("celebdf_v1", "v2", 518)])
def test_celebdf_tells_the_list_of_the_other_version(name, version, listed, tmp_path):
    celebdf_layouts.make(tmp_path)
    more = [f"1 YouTube-real/9{number:04}.mp4" for number in range(listed - len(celebdf_layouts.TESTED))]
    (tmp_path / celebdf_layouts.LIST).write_text("\n".join([*celebdf_layouts.TESTED, *more]))
    found = [problem for problem in adapter(name).scan(tmp_path).problems if problem.kind == "other_version"]
    assert len(found) == 1 and f"Celeb-DF {version}" in found[0].text


def test_celebdf_people_on_two_sides_are_a_warning_with_their_number(tmp_path):
    celebdf_layouts.make(tmp_path)
    touch(tmp_path, "Celeb-real/id0_0005.mp4", "Celeb-synthesis/id0_id1_0005.mp4")
    rows, _ = scan("celebdf", tmp_path)
    shared = {
        finding.code: finding
        for finding in check_manifest(Manifest(frame_of(rows.values()), tmp_path))
        if "people" in finding.code or "identity" in finding.code
    }
    assert list(shared) == ["official_splits_share_people"]
    assert (shared["official_splits_share_people"].severity, shared["official_splits_share_people"].count) == (
        "warning",
        1,
    )


def test_faceforensics_whose_lists_disagree(tmp_path):
    released(tmp_path, dfd=False)
    (tmp_path / "val.json").write_text(json.dumps([["720", "000"]]))
    rows, problems = scan("faceforensics", tmp_path)
    assert problems["in_two_splits"] == 1  # 000, which is used as the first list has it
    assert rows["manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"].split == "val"
    assert problems["donor_in_other_split"] == 6  # 000_003 and 003_000 of three methods
    assert problems["not_in_splits"] == 6  # 672 in three compressions, and 672_720 of three methods


def test_faceforensics_without_its_lists_has_no_splits(tmp_path):
    released(tmp_path, dfd=False)
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.json").unlink()
    rows, problems = scan("faceforensics", tmp_path)
    assert {row.split for row in rows.values()} == {""} and problems == {"missing_index": 3, "no_clip": 1}


def test_dfd_leaves_the_sequences_of_faceforensics_to_their_adapter(tmp_path):
    released(tmp_path)
    rows, problems = scan("dfd", tmp_path)
    assert {row.dataset for row in rows.values()} == {"dfd"} and len(rows) == 4
    assert problems == {"other_set": 36, "no_clip": 1}


def test_a_test_set_of_dfdc_is_sent_to_its_adapter(tmp_path):
    dfdc_layouts.make_test(tmp_path, "", described="metadata.json")
    with pytest.raises(DataError, match=r"no clip of DFDC .* the adapter dfdc_test reads"):
        adapter("dfdc").scan(tmp_path)


def test_a_dfdc_label_that_two_indexes_state_differently(tmp_path):
    dfdc_layouts.make_test(tmp_path, "videos/", "labels.csv", "metadata.json")
    rewritten(tmp_path / "labels.csv", lambda row: ["aalscayrfi.mp4", "1"] if row[0] == "aalscayrfi.mp4" else row)
    rows, problems = scan("dfdc_test", tmp_path)
    assert problems == {"label_conflict": 1} and rows["videos/aalscayrfi.mp4"].label == 1


def test_a_dfdc_fake_of_no_original_is_left_out(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "metadata.json").write_text(json.dumps({"a.mp4": {"label": "FAKE"}, "b.mp4": {"label": "REAL"}}))
    rows, problems = scan("dfdc", tmp_path)
    assert list(rows) == ["b.mp4"] and problems == {"no_original": 1}


def test_kodf_lists_in_the_encoding_of_korean_windows(tmp_path):
    kodf_layouts.aihub(tmp_path)
    for path in tmp_path.rglob("*.csv"):
        path.write_bytes(path.read_text(encoding="utf-8").encode("cp949"))
    rows, problems = scan("kodf", tmp_path)
    assert set(rows) == {row.path for row in kodf_layouts.AIHUB}
    assert problems == {"other_encoding": 4}


def test_kodf_names_in_parts_as_macos_keeps_them(tmp_path):
    kodf_layouts.aihub(tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / "composed")
    for path in sorted((tmp_path / "composed").rglob("*")):
        if path.is_file():
            inside = unicodedata.normalize("NFD", path.relative_to(tmp_path / "composed").as_posix())
            (tmp_path / "set" / inside).parent.mkdir(parents=True, exist_ok=True)
            path.rename(tmp_path / "set" / inside)
    rows, problems = scan("kodf", tmp_path / "set")
    assert not problems
    assert {unicodedata.normalize("NFC", path): row.identity for path, row in rows.items()} == {
        row.path: row.identity for row in kodf_layouts.AIHUB
    }


def test_kodf_with_one_list_of_the_two(tmp_path):
    kodf_layouts.aihub(tmp_path)
    for path in tmp_path.rglob("변조영상*.csv"):
        path.unlink()
    rows, problems = scan("kodf", tmp_path)
    assert {row.label for row in rows.values() if row.category != "disturbed"} == {0}
    assert problems == {"missing_index": 1, "file_without_row": 3}


def test_kodf_without_lists_reads_people_from_folders_and_names(tmp_path):
    ann, bob = kodf_layouts.ANN, kodf_layouts.BOB
    paths = {
        f"original_videos/{ann}/200715_{ann}_1.mp4": (ann, ""),
        f"original_videos/part1/200715_{ann}_2.mp4": (ann, ""),
        f"synthesized_videos/dffs/part2/{ann}_{bob}_1_0001.mp4": (ann, bob),
        "synthesized_videos/dffs/200715_1.mp4": ("", ""),
    }
    touch(tmp_path, *paths)
    rows, problems = scan("kodf", tmp_path)
    assert {path: (row.identity, row.source_identity) for path, row in rows.items()} == paths
    assert problems == {"no_person": 1}


def test_vidtimit_as_pictures_is_told(tmp_path):
    touch(tmp_path, "lower_quality/fadg0/sa1-video-fram1.avi", "higher_quality/fadg0/sa1-video-fram1.avi")
    touch(tmp_path, *(f"VidTIMIT/fadg0/video/sa1/00{number}" for number in (1, 2, 3)))
    found = [problem for problem in adapter("deepfaketimit").scan(tmp_path).problems if problem.kind == "no_video"]
    assert [problem.path for problem in found] == ["VidTIMIT/fadg0/video/sa1"]


def test_avlips_counts_the_sound_of_its_clips_for_nothing(tmp_path):
    """Its sound lies in wav/ beside: that of a fake is genuine, and must not become forged speech."""
    clips = ("0_real/0.mp4", "1_fake/0.mp4", "1_fake/1.mp4")
    touch(tmp_path, *clips, "wav/0_real/0.wav", "wav/1_fake/0.wav", "wav/1_fake/7.wav")
    rows, problems = scan("folders", tmp_path)
    assert {path: row.label for path, row in rows.items()} == dict(zip(clips, (0, 1, 1), strict=True))
    assert problems == {"sound_of_clip": 3}


def test_folders_that_hold_the_files_of_all_are_no_people(tmp_path):
    """Or every clip would be one person's, and the whole set on one side of a split."""
    touch(tmp_path, "Celeb-real/videos/1.mp4", "Celeb-synthesis/videos/2.mp4", "fake/wav2lip/c23/videos/bob/3.mp4")
    rows, problems = scan("folders", tmp_path)
    assert [(row.label, row.method, row.identity) for row in rows.values()] == [
        (0, "real", ""),
        (1, "fake", ""),
        (1, "wav2lip", "bob"),
    ]
    assert not problems


def test_sound_in_folders_by_class_is_kept_beside_videos(tmp_path):
    touch(tmp_path, "audio/fake/tts/1.wav", "audio/real/2.wav", "video/fake/swap/3.mp4", "video/real/4.mp4")
    rows, problems = scan("folders", tmp_path)
    assert len(rows) == 4 and not problems and rows["audio/fake/tts/1.wav"].audio_fake == 1
