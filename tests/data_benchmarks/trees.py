# SPDX-License-Identifier: Apache-2.0
"""Miniature trees with the layouts of published data sets and their quirks; files are a few bytes unless said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

FAKEAVCELEB_COLUMNS = ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path", ""]


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def write_rows(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def fakeavceleb(root: Path) -> Path:
    """A row of each category, one of them twice, the folder in a column without a name, one file missing."""
    rows = [
        ["id00076", "-", "-", "real", "A", "RealVideo-RealAudio", "African", "men", "00109.mp4"],
        ["id00166", "-", "-", "rtvc", "B", "RealVideo-FakeAudio", "African", "men", "00010_fake.mp4"],
        ["id00076", "id00166", "-", "faceswap", "C", "FakeVideo-RealAudio", "African", "men", "00109_id00166.mp4"],
        ["id00020", "id00018", "-", "faceswap-wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "1_2.mp4"],
        ["id00020", "id00018", "-", "faceswap-wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "1_2.mp4"],
        ["id00020", "-", "-", "wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "gone.mp4"],
    ]
    full = [[*row, f"FakeAVCeleb/{row[5]}/{row[6]}/{row[7]}/{row[0]}"] for row in rows]
    write_rows(root / "meta_data.csv", [FAKEAVCELEB_COLUMNS, *full])
    touch(root, *(f"{row[9].removeprefix('FakeAVCeleb/')}/{row[8]}" for row in full[:5]))
    return root


def idforge(root: Path) -> Path:
    """Lists without a header; every prefix; a folder that nobody knows; no list of the test split."""
    train = ["pristine/7/a.mp4", "face_rvc_textmismatch/7/b.mp4", "face_tts_textgen/7/c.mp4", "mystery/7/d.mp4"]
    val = ["lip_audiomismatch_textmismatch/8/e.mp4", "rvc_textmismatch/8/f.mp4", "tts_textgen/8/g.mp4"]
    val += ["audiomismatch/8/h.mp4", "pristine\\9\\i.mp4"]
    write_rows(root / "main/train.csv", [[path, "x"] for path in train])
    write_rows(root / "main/val.csv", [[path] for path in val])
    touch(root / "main", *(path.replace("\\", "/") for path in train + val))
    return root


def idforge_v2(root: Path) -> Path:
    """Folders of 16 pictures with an mp3; one lacks a picture."""
    for folder, number in (("test/pristine/5/clip", 16), ("test/lip_rvc_textmismatch/5/clip", 15)):
        touch(root, *(f"{folder}/{i:02d}.jpg" for i in range(number)), f"{folder}/audio.mp3", f"{folder}/text.txt")
    return root


def avdeepfake1m(root: Path) -> Path:
    """Paths relative to the split's folder; no index of the training split."""
    entries = [
        {"file": "id1/v/real.mp4", "original": None, "modify_type": "real", "audio_model": "-", "fake_segments": [],
         "video_frames": 100},
        {"file": "id1/v/fake_audio.mp4", "original": "id1/v/real.mp4", "modify_type": "audio_modified",
         "audio_model": "vits", "fake_segments": [[1.0, 1.5]], "visual_fake_segments": [],
         "audio_fake_segments": [[1.0, 1.5]], "video_frames": 100},
        {"file": "id2/v/fake_video.mp4", "original": "id2/v/real.mp4", "modify_type": "visual_modified",
         "audio_model": None, "fake_segments": [[0.2, 0.9]], "video_frames": 75},
    ]  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    (root / "val_metadata.json").write_text(json.dumps(entries))
    touch(root / "val", *(entry["file"] for entry in entries))
    return root


def asvspoof(root: Path) -> Path:
    """2019 with its two shapes of protocol, and a line that is no trial."""
    folder = root / "LA/ASVspoof2019_LA_cm_protocols"
    folder.mkdir(parents=True)
    train = ["LA_0079 LA_T_1138215 - - bonafide", "LA_0079 LA_T_1271820 - A01 spoof", "broken"]
    (folder / "ASVspoof2019.LA.cm.train.trn.txt").write_text("\n".join(train))
    (folder / "ASVspoof2019.LA.cm.eval.trl.txt").write_text("LA_0039 LA_E_2834763 - A11 spoof\n")
    touch(root / "LA/ASVspoof2019_LA_train/flac", "LA_T_1138215.flac", "LA_T_1271820.flac")
    touch(root / "LA/ASVspoof2019_LA_eval/flac", "LA_E_2834763.flac")
    return root


def asvspoof_2021(root: Path) -> Path:
    """2021: keys with further columns."""
    folder = root / "keys/LA/CM"
    folder.mkdir(parents=True)
    lines = [
        "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval",
        "LA_0020 LA_E_7294490 g722 loc_tx bonafide bonafide notrim hidden",
    ]
    (folder / "trial_metadata.txt").write_text("\n".join(lines))
    touch(root / "ASVspoof2021_LA_eval/flac", "LA_E_9332881.flac", "LA_E_7294490.flac")
    return root


def table(root: Path) -> Path:
    """A CSV of one's own: words for labels, a row without one, a broken list of stretches."""
    rows = [
        ["path", "label", "method", "fake_segments", "audio_fake_segments", "split", "colour"],
        ["1.mp4", "bonafide", "", "", "", "test", "blue"],
        ["2.mp4", "spoof", "vits", "[[0.5, 1.0]]", "[[0.5, 1.0]]", "test", "blue"],
        ["3.mp4", "perhaps", "", "", "", "test", "blue"],
        ["4.mp4", "fake", "vits", "half", "", "test", "blue"],
    ]
    write_rows(root / "labels.csv", rows)
    touch(root, *(row[0] for row in rows[1:]))
    return root
