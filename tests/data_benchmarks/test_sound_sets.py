# SPDX-License-Identifier: Apache-2.0
"""What is odd in single sound sets: keys without sound, names in two sets, trials of speaker verification."""

from __future__ import annotations

from collections import Counter

import pytest
from layouts import asvspoof, in_the_wild, mlaad
from layouts.layout import touch, write_csv, write_lines

from cad.data.benchmarks.registry import adapter
from cad.errors import DataError


def scan(name, root):
    found = adapter(name).scan(root)
    return {row.path: row for row in found.rows}, Counter(problem.kind for problem in found.problems), found.problems


def test_keys_of_2021_do_not_take_files_of_2019(tmp_path):
    """LA_E_2834763 is in both years: with the sound of 2019 alone, the trial of 2021 is missing."""
    asvspoof.la_2019(tmp_path)
    write_lines(tmp_path / "keys/LA/CM/trial_metadata.txt", ["LA_0012 LA_E_2834763 none - bonafide bonafide trim eval"])
    rows, kinds, problems = scan("asvspoof", tmp_path)
    assert {row.dataset for row in rows.values()} == {"asvspoof2019_la"} and kinds == {"missing_file": 1}
    assert problems[0].path == "ASVspoof2021_LA_eval/flac/LA_E_2834763.flac"


def test_2021_below_the_folder_of_2019(tmp_path):
    """As a loader wants it: the innermost year counts."""
    asvspoof.la_2019(tmp_path / "ASVspoof2019")
    asvspoof.la_2021(tmp_path / "ASVspoof2019/LA")
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert not kinds and Counter(row.dataset for row in rows.values()) == {"asvspoof2019_la": 6, "asvspoof2021_la": 4}
    label = {row.dataset: row.label for path, row in rows.items() if path.endswith("LA_E_2834763.flac")}
    assert label == {"asvspoof2019_la": 1, "asvspoof2021_la": 0}


def test_a_track_without_its_sound_is_told(tmp_path):
    asvspoof.df_2021(tmp_path)
    asvspoof.la_2021(tmp_path)
    for file in (tmp_path / "ASVspoof2021_LA_eval/flac").iterdir():
        file.unlink()
    rows, kinds, problems = scan("asvspoof", tmp_path)
    assert {row.dataset for row in rows.values()} == {"asvspoof2021_df"}
    assert kinds == {"missing_folder": 1, "missing_file": 4}
    assert problems[0].path == "ASVspoof2021_LA_eval/"


def test_trials_without_classes_are_told(tmp_path):
    asvspoof.df_2021(tmp_path)
    write_lines(tmp_path / "ASVspoof2021_LA_eval/ASVspoof2021.LA.cm.eval.trl.txt", ["LA_E_9332881"])
    touch(tmp_path, "ASVspoof2021_LA_eval/flac/LA_E_9332881.flac")
    _, kinds, problems = scan("asvspoof", tmp_path)
    assert kinds == {"missing_index": 1, "file_without_row": 1} and problems[0].path == "keys/LA/CM/trial_metadata.txt"
    (tmp_path / "keys/CM/trial_metadata.txt").unlink()
    with pytest.raises(DataError, match="no clip of ASVspoof 2019 and 2021 was found; 1 problems"):
        adapter("asvspoof").scan(tmp_path)


def test_keys_of_speaker_verification_under_another_name_make_no_rows(tmp_path):
    asvspoof.la_2021(tmp_path)
    (tmp_path / "keys/LA/ASV").rename(tmp_path / "keys/LA/verification")
    rows, kinds, problems = scan("asvspoof", tmp_path)
    assert len(rows) == 4 and kinds == {"bad_row": 2}
    assert "is no trial of ASVspoof 2021" in problems[0].text


def test_of_two_releases_of_the_keys_the_full_one_is_used(tmp_path):
    asvspoof.df_2021(tmp_path)
    write_lines(tmp_path / "keys/DF/CM/trial_metadata.txt", asvspoof.DF_LINES)
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert kinds == {"duplicate_row": 4} and all("vocoder=" in row.note for row in rows.values() if row.label)


def test_a_name_in_two_folders_is_ambiguous(tmp_path):
    asvspoof.la_2021(tmp_path)
    touch(tmp_path, "copy/ASVspoof2021_LA_eval/flac/LA_E_9332881.flac")
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert len(rows) == 3 and kinds == {"ambiguous_file": 1, "file_without_row": 1}


def test_keys_below_a_folder_that_is_called_asv(tmp_path):
    asvspoof.la_2021(tmp_path / "asv")
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert not kinds and sorted(rows) == sorted(f"asv/{row.path}" for row in asvspoof.LA_2021)


def test_wav_beside_flac(tmp_path):
    asvspoof.la_2021(tmp_path)
    touch(tmp_path, *(row.path.replace("flac", "wav") for row in asvspoof.LA_2021))
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert sorted(rows) == sorted(row.path for row in asvspoof.LA_2021) and kinds == {"file_without_row": 4}


def test_wav_made_of_flac(tmp_path):
    asvspoof.la_2021(tmp_path)
    for file in (tmp_path / "ASVspoof2021_LA_eval/flac").iterdir():
        file.rename(file.with_suffix(".wav"))
    rows, kinds, _ = scan("asvspoof", tmp_path)
    assert not kinds and all(path.endswith(".wav") for path in rows) and len(rows) == 4


def test_in_the_wild_whose_folders_contradict_the_table(tmp_path):
    in_the_wild.sorted_by_class(tmp_path)
    (tmp_path / "fake/0.wav").rename(tmp_path / "real/0.wav")
    rows, kinds, problems = scan("in_the_wild", tmp_path)
    assert sorted(rows) == ["fake/2.wav", "real/1.wav", "real/3.wav"] and kinds == {"label_conflict": 1}
    assert problems[0].path == "real/0.wav"


def test_in_the_wild_numbered_by_class(tmp_path):
    write_csv(tmp_path / "meta.csv", [["file", "speaker", "label"], ["0.wav", "Ann", "spoof"]])
    touch(tmp_path, "fake/0.wav", "real/0.wav")
    rows, kinds, _ = scan("in_the_wild", tmp_path)
    assert sorted(rows) == ["fake/0.wav"] and kinds == {"file_without_row": 1}


def test_mlaad_whose_index_has_other_columns(tmp_path):
    mlaad.alone(tmp_path)
    write_lines(tmp_path / mlaad.BARK / "meta.csv", ["file,language", "c.wav,zh"])
    rows, kinds, problems = scan("mlaad", tmp_path)
    assert sorted(rows) == [f"{mlaad.GLOW}/a.wav", f"{mlaad.GLOW}/b.wav"]
    assert kinds == {"bad_index": 1, "file_without_row": 1} and problems[0].path == f"{mlaad.BARK}/meta.csv"
