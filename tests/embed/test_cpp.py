# SPDX-License-Identifier: Apache-2.0
"""The C++ program on what the golden clips do not have: layouts of sound, containers, turned pictures, damaged kits."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from agreement import EMBED, SHORT, Command, cpp_program, differences, run, said_by_product, said_by_program
from requirements import needs, require

pytestmark = [pytest.mark.slow, needs("cpp", "ffmpeg", "train")]

FAKE = SHORT.parents[2] / "data" / "astronaut_fake.mp4"
STILL = SHORT.parents[2] / "data" / "astronaut.jpg"
#: By the name of a made file the arguments of ffmpeg that make it of three seconds of astronaut_fake.mp4.
MADE = {
    "stereo_44100.wav": ["-vn", "-ac", "2", "-ar", "44100"],
    "cancelling.flac": ["-vn", "-filter_complex", "[0:a]pan=stereo|c0=c0|c1=-1*c0"],
    "surround.mka": ["-vn", "-filter_complex", "[0:a]aresample=48000,pan=5.1|c2=c0", "-c:a", "pcm_s16le"],
    "late_picture.mp4": ["-c:a", "aac", "-vf", "setpts=PTS+0.21/TB", "-c:v", "libx264", "-bf", "2"],
    "thirty_a_second.mkv": ["-r", "30000/1001", "-c:v", "libx264", "-c:a", "libopus"],
    "wide_pixels.mp4": ["-vf", "scale=240:320,setsar=4/3", "-c:v", "libx264", "-c:a", "copy"],
    "full_range_709.mp4": [
        "-vf", "scale=out_range=full:out_color_matrix=bt709,format=yuvj420p", "-c:v", "libx264", "-colorspace", "bt709",
        "-color_range", "pc", "-c:a", "copy",
    ],
    "stream.ts": ["-c:v", "libx264", "-c:a", "aac"],
}  # fmt: skip


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    require("cpp")
    return cpp_program(tmp_path_factory.mktemp("cpp"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of other layouts, containers and colours."""
    folder = tmp_path_factory.mktemp("made")
    files = [folder / name for name in MADE]
    for file in files:
        words = ["ffmpeg", "-v", "error", "-i", str(FAKE), "-t", "3", *MADE[file.name], str(file)]
        subprocess.run(words, check=True, capture_output=True)
    return files


def test_other_files_are_judged_as_the_product_judges_them(command, kit, made):
    product = said_by_product(tuple(made))
    found = {file.name: differences(said_by_program(command, kit, file), product[file.name]) for file in made}
    assert found == {file.name: [] for file in made}


def test_a_photograph_is_turned_by_its_tag(command, kit, tmp_path):
    lying = tmp_path / "lying.jpg"
    words = ["ffmpeg", "-v", "error", "-i", str(STILL), "-vf", "transpose=cclock", "-q:v", "2", str(lying)]
    subprocess.run(words, check=True, capture_output=True)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    jpeg = lying.read_bytes()
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    assert not differences(said_by_program(command, kit, turned), said_by_product((turned,))["turned.jpg"])


def test_a_file_that_breaks_off_is_not_called_real(command, kit, tmp_path):
    broken = tmp_path / "broken.mkv"
    whole = (SHORT.parent / "talking.mkv").read_bytes()
    broken.write_bytes(whole[: len(whole) // 3])
    said = said_by_program(command, kit, broken)
    assert said["label"] == "inconclusive" and "low_coverage" in said["reasons"]


def test_damage_is_not_called_real(command, kit, tmp_path):
    damaged = tmp_path / "damaged.webm"
    content = bytearray((SHORT.parent / "variable_rate.webm").read_bytes())
    for at in range(len(content) // 4, len(content), 40):
        content[at] ^= 0x55
    damaged.write_bytes(content)
    done = run(command, kit, damaged)
    assert done.returncode == 3 or json.loads(done.stdout)["label"] != "real"
    assert "terminate called" not in done.stderr


@pytest.mark.parametrize("what", ["model.onnx", "face_find.onnx", "kit.json", "schema", "clock"])
def test_a_damaged_kit_is_refused(command, kit, tmp_path, what):
    damaged = tmp_path / "kit"
    shutil.copytree(kit, damaged)
    if what.endswith(".onnx"):
        content = bytearray((damaged / what).read_bytes())
        content[len(content) // 2] ^= 1
        (damaged / what).write_bytes(content)
    elif what == "kit.json":
        (damaged / what).write_text("{")
    else:
        document = json.loads((damaged / "kit.json").read_text())
        if what == "schema":
            document["schema"] = "cad.kit/2"
        else:
            document["constants"]["cad.clock"]["FRAME_RATE_HZ"] = 24
        (damaged / "kit.json").write_text(json.dumps(document))
    done = run(command, damaged, SHORT)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (4, "", 1), done.stderr


@pytest.mark.parametrize("words", ["--none KIT FILE", "KIT", "--threads x KIT FILE", "KIT FILE FILE"])
def test_wrong_usage_is_told(command, words):
    done = run(command, *words.split())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr


def test_names_are_taken_as_they_are(command, kit, tmp_path):
    for name in ("with space.jpg", "-.jpg", "file:it.jpg", "ü\udcff.jpg", "line\nbreak.jpg"):
        shutil.copy(SHORT, tmp_path / name)
        done = run(command, "--threads", "1", "--", kit, tmp_path / name)
        assert done.returncode == 0 and json.loads(done.stdout)["kind"] == "still", (name, done.stderr)
    done = run(command, kit, "http://127.0.0.1:9/clip.mp4")
    assert done.returncode == 3  # a path, not an address


def test_every_source_is_built():
    listed = (EMBED / "cpp" / "CMakeLists.txt").read_text()
    sources = sorted(path.name for path in (EMBED / "cpp" / "src").glob("*.cpp"))
    assert sources == sorted(line.strip().removeprefix("src/") for line in listed.splitlines() if "src/" in line)
