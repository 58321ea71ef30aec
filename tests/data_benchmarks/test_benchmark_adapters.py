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


def test_idforge_prefixes(tmp_path):
    rows, problems = scan("idforge", trees.idforge, tmp_path)
    assert problems == {"missing_index": 1, "bad_row": 1, "file_without_row": 1}
    assert {path.removeprefix("main/"): facts(row) for path, row in rows.items()} == {
        "pristine/7/a.mp4": (0, 0, 0),
        "face_rvc_textmismatch/7/b.mp4": (1, 1, 1),
        "face_tts_textgen/7/c.mp4": (1, 1, 1),
        "lip_audiomismatch_textmismatch/8/e.mp4": (1, 1, 0),
        "rvc_textmismatch/8/f.mp4": (1, 0, 1),
        "tts_textgen/8/g.mp4": (1, 0, 1),
        "audiomismatch/8/h.mp4": (1, 0, 0),
        "pristine/9/i.mp4": (0, 0, 0),
    }
    assert rows["main/pristine/9/i.mp4"].split == "val" and rows["main/pristine/9/i.mp4"].identity == "9"


def test_idforge_v2_is_frames(tmp_path):
    rows, problems = scan("idforge_v2", trees.idforge_v2, tmp_path)
    assert problems == {"incomplete_frames": 1}
    assert set(rows) == {"test/pristine/5/clip", "test/lip_rvc_textmismatch/5/clip"}
    forged = rows["test/lip_rvc_textmismatch/5/clip"]
    assert facts(forged) == (1, 1, 1) and "frames" in forged.note and forged.split == "test" and forged.identity == "5"


def test_avdeepfake1m(tmp_path):
    rows, problems = scan("avdeepfake1m", trees.avdeepfake1m, tmp_path)
    assert problems == {"missing_index": 1}
    assert facts(rows["val/id1/v/real.mp4"]) == (0, 0, 0)
    spoken, seen = rows["val/id1/v/fake_audio.mp4"], rows["val/id2/v/fake_video.mp4"]
    assert facts(spoken) == (1, 0, 1) and spoken.method == "vits" and spoken.duration_seconds == 4.0
    assert facts(seen) == (1, 1, 0) and seen.method == "visual_modified" and seen.identity == "id2"
    assert spoken.fake_segments == spoken.audio_fake_segments == ((1.0, 1.5),) and seen.split == "val"
    assert spoken.video_fake_segments == seen.video_fake_segments == ()


def test_asvspoof_2019(tmp_path):
    rows, problems = scan("asvspoof", trees.asvspoof, tmp_path)
    assert problems == {"bad_row": 1}
    spoof = rows["LA/ASVspoof2019_LA_train/flac/LA_T_1271820.flac"]
    assert facts(spoof) == (1, -1, 1) and (spoof.method, spoof.identity, spoof.split) == ("A01", "LA_0079", "train")
    assert facts(rows["LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac"]) == (0, -1, 0)
    assert rows["LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac"].split == "test"


def test_asvspoof_2021(tmp_path):
    rows, problems = scan("asvspoof", trees.asvspoof_2021, tmp_path)
    assert not problems
    assert facts(rows["ASVspoof2021_LA_eval/flac/LA_E_9332881.flac"]) == (1, -1, 1)
    assert rows["ASVspoof2021_LA_eval/flac/LA_E_9332881.flac"].method == "A07"
    assert facts(rows["ASVspoof2021_LA_eval/flac/LA_E_7294490.flac"]) == (0, -1, 0)


def test_table(tmp_path):
    rows, problems = scan("table", trees.table, tmp_path)
    assert problems == {"bad_row": 2, "file_without_row": 2}
    assert facts(rows["1.mp4"])[0] == 0
    assert rows["2.mp4"].fake_segments == rows["2.mp4"].audio_fake_segments == ((0.5, 1.0),)


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
