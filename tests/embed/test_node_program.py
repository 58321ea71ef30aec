# SPDX-License-Identifier: Apache-2.0
"""The program in Node.js on what test_programs.py does not have: sound alone, playlists, damaged kits, wrong usage."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from agreement import SHORT, differences, node_program, said_by_product, said_by_program
from agreement import run as run_program
from requirements import needs

pytestmark = [pytest.mark.slow, needs("node", "node_packages", "ffmpeg", "train", "weights")]
CLIPS = SHORT.parent
FAKE = SHORT.parents[2] / "data" / "astronaut_fake.mp4"
#: By the name of a file the arguments of ffmpeg that make it of FAKE.
MADE = {
    "cancelling.flac": ["-vn", "-filter_complex", "[0:a]pan=stereo|c0=c0|c1=-1*c0"],
    "surround.mka": ["-vn", "-filter_complex", "[0:a]aresample=48000,pan=5.1|c2=c0", "-c:a", "pcm_s16le"],
    "late_picture.mp4": ["-c:a", "aac", "-vf", "setpts=PTS+0.21/TB", "-c:v", "libx264", "-bf", "2"],
    "wide_pixels.mp4": ["-vf", "scale=240:320,setsar=4/3", "-c:v", "libx264", "-c:a", "copy"],
    "stream.ts": ["-c:v", "libx264", "-c:a", "aac"],
}


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return run_program(node_program(SHORT), *map(str, words), timeout_seconds=900)


def test_it_agrees_on_other_layouts_and_containers(kit, tmp_path):
    files = [tmp_path / name for name in MADE]
    for file in files:
        make = ["ffmpeg", "-v", "error", "-i", str(FAKE), "-t", "2", *MADE[file.name], str(file)]
        subprocess.run(make, check=True)
    product = said_by_product(tuple(files))
    for file in files:
        said = said_by_program(node_program(tmp_path), kit, file)
        assert not differences(said, product[file.name]), file.name


def test_sound_alone_is_a_recording(kit, tmp_path):
    sound = tmp_path / "voice.wav"
    source = CLIPS / "talking.mp4"
    make = ["ffmpeg", "-v", "error", "-i", str(source), "-vn", "-ac", "2", "-ar", "44100", str(sound)]
    subprocess.run(make, check=True)
    said = json.loads(run(kit, sound).stdout)
    assert said["kind"] == "recording" and said["streams"]["video"] is None and said["streams"]["audio"] is not None
    assert "no_picture" in said["reasons"]


def test_playlist_does_not_lead_to_other_files(kit, tmp_path):
    shutil.copy(CLIPS / "talking.mp4", tmp_path / "other.mp4")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nother.mp4\n#EXT-X-ENDLIST\n", encoding="utf-8")
    ran = run(kit, playlist)
    assert ran.returncode == 3 and "playlist" in ran.stderr


def test_damaged_kit_is_code_4(kit, tmp_path):
    broken = tmp_path / "kit"
    shutil.copytree(kit, broken)
    with (broken / "speech.onnx").open("r+b") as file:
        file.seek(5000)
        file.write(b"\0\0\0\0")
    ran = run(broken, CLIPS / "no_face.mp4")
    assert ran.returncode == 4 and "speech.onnx is damaged" in ran.stderr
    assert run(tmp_path, CLIPS / "no_face.mp4").returncode == 4


@pytest.mark.parametrize("words", [(), ("kit",), ("--threads", "-1", "kit", "file"), ("--nonsense", "kit", "file")])
def test_wrong_usage_is_code_2(words):
    ran = run(*words)
    assert ran.returncode == 2 and "usage:" in ran.stderr and ran.stdout == ""
