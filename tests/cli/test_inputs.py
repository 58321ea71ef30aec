# SPDX-License-Identifier: Apache-2.0
"""Every path is a result of its own, and folders are searched by content."""

from __future__ import annotations

import io
import itertools
import logging
import os
import socket
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from made_media import talk, write_wav
from requirements import needs

from cad import inputs
from cad.errors import MediaError
from cad.inputs import Input, expand_inputs
from cad.media.reader import open_media
from cad.sniff import begins_like_media


def expand(*arguments: object, stdin: str = "", recursive: bool = True) -> list[Input]:
    return list(expand_inputs(map(str, arguments), io.StringIO(stdin), recursive))


def names(found: list[Input], folder: Path) -> list[str]:
    return [str(Path(item.path).relative_to(folder)) for item in found if item.error is None]


#: What ffmpeg is asked for, by the name of the file.
MADE = {
    "a.mp4": ("-c:v", "mpeg4"),
    "a.mov": ("-c:v", "mjpeg"),
    "a.mkv": ("-c:v", "mpeg4"),
    "a.webm": ("-c:v", "libvpx"),
    "a.avi": ("-c:v", "mpeg4"),
    "a.flv": ("-c:v", "flv"),
    "a.wmv": ("-c:v", "wmv2"),
    "a.mpg": ("-c:v", "mpeg1video"),
    "a.ts": ("-c:v", "mpeg2video"),
    "a.m2ts": ("-c:v", "mpeg2video", "-mpegts_m2ts_mode", "1"),
    "a.3g2": ("-c:v", "mpeg4"),
    "a.mxf": ("-c:v", "mpeg2video"),
    "a.nut": ("-c:v", "mpeg4"),
    "a.h264": ("-c:v", "libx264", "-f", "h264"),
    "a.hevc": ("-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc"),
    "a.m1v": ("-c:v", "mpeg1video"),
    "a.m4v": ("-c:v", "mpeg4", "-f", "m4v"),
    "a.ivf": ("-c:v", "libvpx"),
    "a.gif": (),
    "a.apng": ("-f", "apng"),
    "a.png": ("-frames:v", "1"),
    "a.jpg": ("-frames:v", "1"),
    "a.bmp": ("-frames:v", "1"),
    "a.tiff": ("-frames:v", "1"),
    "a.webp": ("-frames:v", "1"),
    "a.ppm": ("-frames:v", "1"),
    "s.wav": (),
    "s.w64": (),
    "s.rf64.wav": ("-rf64", "always"),
    "s.mp3": ("-c:a", "libmp3lame"),
    "bare.mp3": ("-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"),
    "low.mp3": ("-c:a", "libmp3lame", "-ar", "16000", "-id3v2_version", "0", "-write_xing", "0"),
    "s.mp2": ("-c:a", "mp2", "-ar", "24000"),
    "s.aac": ("-c:a", "aac"),
    "s.ac3": ("-c:a", "ac3"),
    "s.flac": (),
    "s.ogg": ("-c:a", "libvorbis"),
    "s.opus": ("-c:a", "libopus"),
    "s.m4a": ("-c:a", "aac"),
    "s.mka": ("-c:a", "flac"),
    "s.aiff": (),
    "s.au": (),
    "s.caf": (),
    "s.wma": ("-c:a", "wmav2"),
    "s.asf": ("-c:a", "wmav2"),
    "s.tta": (),
    "s.wv": (),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file of every kind, without its suffix."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, arguments in MADE.items():
        picture = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.6"]
        sound = ["-f", "lavfi", "-i", "sine=duration=0.6"]
        source = picture if name.startswith("a.") else sound
        command = ["ffmpeg", "-v", "error", "-nostdin", *source, *arguments, str(folder / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace(".", "_"))
    return folder


@needs("ffmpeg")
def test_every_kind_of_media_is_known_by_its_content(made):
    found = expand(made)
    assert names(found, made) == sorted(name.replace(".", "_") for name in MADE)


@needs("ffmpeg")
@pytest.mark.parametrize("size", [188, 192, 204])
@pytest.mark.parametrize("cut", [0, 77])
def test_a_transport_stream_is_known_whatever_its_packets(made, size, cut):
    whole = (made / "a_ts").read_bytes()
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    before = 4 if size == 192 else 0
    data = b"".join(bytes(before) + packet + bytes(size - 188 - before) for packet in packets)
    assert begins_like_media(data[cut : cut + (1 << 14)])


@needs("ffmpeg")
def test_whatever_begins_like_media_is_decoded(made):
    """What the search finds and the decoder does not know would be an error that nobody asked for."""
    for path in made.iterdir():
        with open_media(path) as reader:
            assert reader.info.size_bytes > 0


#: What lies about in folders and is no media, by name.
OTHERS = {
    "._a.mp4": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(40),
    "main.ts": b"import { G } from './g';\n" * 40,
    "main.mts": "export const größe = 4;\n".encode() * 40,
    "drawing.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "archive.zip": b"PK\3\4" + bytes(26),
    "letter.docx": b"PK\3\4" + bytes(26),
    "notes": b"MAC addresses and RIFF, OggS, P5 and GIF\n",
    "list.csv": b"P6 1 of 2\nID3,caffe\n",
    "utf16.txt": "Lieber Leser, guten Tag. ".encode("utf-16") * 40,
    "page.html": b"<!doctype html><title>x</title>",
    "program": b"\x7fELF\2\1\1" + bytes(64),
    "zeros.bin": bytes(5000),
    "empty": b"",
    "model.onnx": b"\x08\x08\x12\x07pytorch" + bytes(100),
    ".DS_Store": b"\0\0\0\1Bud1\0\0" + bytes(64),
    "genome.fa": b">chr1\n" + b"GATTACA" * 3000,
}


def test_what_is_no_media_is_counted_and_named_on_request(tmp_path, caplog):
    for name, content in OTHERS.items():
        (tmp_path / name).write_bytes(content)
    write_wav(tmp_path / "voice", talk(0.5))
    with caplog.at_level(logging.INFO, "cad"):
        assert names(expand(tmp_path), tmp_path) == ["voice"]
    (told,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{len(OTHERS)} files" in told.getMessage()
    named = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert all(any(repr(str(tmp_path / name)) in line for line in named) for name in OTHERS)


def test_a_file_that_should_be_media_is_not_passed_over(tmp_path):
    """It is damaged or something else than it says: that is for whoever asked to know."""
    (tmp_path / "zeros.mp4").write_bytes(bytes(5000))
    (tmp_path / "page.mp4").write_text("<html>404 not found</html>")
    (tmp_path / "empty.wav").write_bytes(b"")
    assert len(expand(tmp_path)) == 3


def test_the_order_is_that_of_names_folder_by_folder(tmp_path):
    for name in ("b/2", "b/1", "a", "c", "b/.d/0", ".h"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, talk(0.1))
    assert names(expand(tmp_path), tmp_path) == [".h", "a", "b/.d/0", "b/1", "b/2", "c"]


def test_the_first_files_come_before_the_tree_is_listed(tmp_path, monkeypatch):
    for number in range(50):
        folder = tmp_path / f"{number:02}"
        folder.mkdir()
        write_wav(folder / "voice", talk(0.1))
    listed = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or listdir(path))
    list(itertools.islice(expand_inputs([str(tmp_path)], io.StringIO(), recursive=True), 3))
    assert len(listed) == 4


def test_links_to_folders_are_followed_once_and_loops_end(tmp_path):
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / "sub").mkdir(parents=True)
    other.mkdir()
    write_wav(other / "voice", talk(0.1))
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "one").symlink_to(other)
    (tree / "two").symlink_to(other)
    (tree / "self").symlink_to(tree / "self")
    found = expand(tree)
    assert names(found, tree) == ["one/voice"]
    (broken,) = [item for item in found if item.error is not None]
    assert broken.path.endswith("self") and "loop" in broken.error.text


def test_special_files_are_passed_over_and_not_opened(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    socket.socket(socket.AF_UNIX).bind("socket.mp4")
    write_wav(tmp_path / "voice", talk(0.1))
    with caplog.at_level(logging.WARNING, "cad"):
        assert names(expand(tmp_path), tmp_path) == ["voice"]
    assert "2 files" in caplog.text


def test_a_link_that_leads_nowhere_is_an_error_of_its_own(tmp_path):
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "none")
    write_wav(tmp_path / "voice", talk(0.1))
    first, second = expand(tmp_path)
    assert first.error is not None and first.error.code == "not_found" and second.error is None


def test_a_tree_deeper_than_paths_may_be_long_ends_in_an_error_of_its_own(tmp_path):
    start = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.chdir(start)
        os.close(start)
    write_wav(tmp_path / "voice", talk(0.1))
    deep, voice = expand(tmp_path)
    assert deep.error is not None and "too long" in deep.error.text
    assert voice == Input(str(tmp_path / "voice"))


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A tree with a folder that may not be listed and a file that may not be opened, for root too."""
    for name in ("a/voice", "closed/voice", "z/voice", "shut"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_wav(tmp_path / name, talk(0.5))
    listdir, open_file = os.listdir, os.open

    def list_open(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    def open_some(path, *rest, **more):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return open_file(path, *rest, **more)

    monkeypatch.setattr(inputs.os, "listdir", list_open)
    monkeypatch.setattr(inputs.os, "open", open_some)
    return tmp_path


def test_a_closed_folder_and_a_closed_file_are_errors_and_the_others_go_on(closed):
    found = expand(closed)
    assert names(found, closed) == ["a/voice", "z/voice"]
    assert [Path(item.path).name for item in found if item.error] == ["closed", "shut"]
    assert all("permission denied" in item.error.text for item in found if item.error)


def test_a_file_that_vanishes_is_an_error_of_its_own(tmp_path):
    for name in "abc":
        write_wav(tmp_path / name, talk(0.1))
    search = expand_inputs([str(tmp_path)], io.StringIO(), recursive=True)
    next(search)
    (tmp_path / "b").unlink()
    gone, there = search
    assert gone.error is not None and gone.error.code == "not_found" and there.error is None


BAD_PATHS = ["x" * 300, "nu\0l.wav", "voice.wav/below", "dangling", "loop", "surro\udcffgate.wav", "none.wav", ""]


@pytest.mark.parametrize("recursive", [False, True])
def test_every_path_is_its_own_result(tmp_path, recursive):
    write_wav(tmp_path / "voice.wav", talk(0.5))
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    paths = [str(tmp_path / name) if name else "" for name in BAD_PATHS]
    found = expand(*paths, tmp_path / "voice.wav", recursive=recursive)
    assert [item.path for item in found] == [*paths, str(tmp_path / "voice.wav")]
    for item in found[:-1]:
        with pytest.raises(MediaError) as caught:
            open_media(item.path)
        assert caught.value.code in ("not_found", "undecodable", "unreadable")


def test_bad_paths_in_a_batch_are_rows_and_the_others_are_analysed(tiny_weights, tmp_path):
    write_wav(tmp_path / "voice.wav", talk(2.0, 0.05))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    lines = ["x" * 300, "nu\0l.wav", "voice.wav/below", "loop", "voice.wav"]
    command = [sys.executable, "-m", "cad.cli", "--model", str(tiny_weights), "y" * 300, "-"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout.count("ERROR (") == 5 and "voice.wav: REAL" in done.stdout


@needs("linux")
def test_a_folder_that_may_not_be_read_is_a_result_of_its_own(tmp_path):
    """With the rights of a user, since root may read everything."""
    script = f"""
import os, sys
from cad.inputs import expand_inputs
if os.geteuid() == 0:
    os.seteuid(65534)
found = list(expand_inputs([{str(tmp_path / "closed" / "a.wav")!r}, {str(tmp_path / "closed")!r}], sys.stdin, True))
for item in found:
    print(item.path.rpartition("/")[2], item.error.code if item.error else None)
"""
    (tmp_path / "closed").mkdir(mode=0o000)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        if folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):
            folder.chmod(0o755)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{script}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (tmp_path / "closed").chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["a.wav", "None", "closed", "undecodable"]


def test_wave_files_of_one_frame_are_media_too(tmp_path):
    with wave.open(str(tmp_path / "tiny"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80")
    assert names(expand(tmp_path), tmp_path) == ["tiny"]
