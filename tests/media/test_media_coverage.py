# SPDX-License-Identifier: Apache-2.0
"""Coverage: what decoded against what is there and what exact headers state; gaps are no loss; encryption is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg, write_sources
from requirements import give_up

from cad.errors import MediaUnreadableError
from cad.media.boxes import boxes, elements
from cad.media.reader import open_media
from cad.media.records import Outcome, ReadReport
from cad.media.stated_size import stated_bytes, stated_packets, stated_samples

Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-b:v", "600k")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "600k")
SECONDS = 8.0
KEY = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb")
KEY += ("-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")

#: Files whose headers state how long they are, with the arguments of ffmpeg.
STATED: dict[str, tuple[str, ...]] = {
    "index.mp4": (*H264, "-c:a", "aac", "-movflags", "+faststart"),
    "sidx.mp4": (*H264, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof+global_sidx"),
    "a.mkv": (*H264, "-c:a", "libopus"),
    "a.avi": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "a.wmv": ("-c:v", "wmv2", "-b:v", "600k", "-c:a", "wmav2"),
    "a.flv": (*H264, "-c:a", "aac"),
    "a.mxf": (*MPEG2, "-c:a", "pcm_s16le", "-ar", "48000"),
    "a.wav": ("-vn",),
    "a.w64": ("-vn",),
    "a.aiff": ("-vn",),
    "a.au": ("-vn",),
    "a.caf": ("-vn",),
    "a.mp3": ("-vn", "-c:a", "libmp3lame", "-b:a", "96k"),
    "vbr.mp3": ("-vn", "-c:a", "libmp3lame", "-q:a", "4", "-metadata", "title=a title"),
}
#: Healthy files of kinds that had been told as partly read, or whose packets and frames are not one to one.
WHOLE: dict[str, tuple[str, ...]] = {
    **STATED,
    "fragments.mp4": (*H264, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "hidden.webm": ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-c:a", "libvorbis"),
    "packed.avi": ("-c:v", "libxvid", "-bf", "2", "-c:a", "libmp3lame"),
    "fields.ts": (*H264, "-x264-params", "interlaced=1", "-c:a", "aac"),
    "a.ts": (*H264, "-c:a", "aac"),
    "a.mpg": (*MPEG2, "-bf", "2", "-c:a", "mp2"),
    "a.ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "a.aac": ("-vn",),
    "a.flac": ("-vn",),
    "a.tta": ("-vn",),
    "a.wv": ("-vn",),
    "no-header.mp3": ("-vn", "-c:a", "libmp3lame", "-write_xing", "0"),
    "one-a-second.mp4": (*H264, "-r", "1", "-c:a", "aac"),
    "one-a-second.mkv": (*H264, "-r", "1", "-c:a", "aac"),
    "gap.ts": (*H264, "-af", "aselect='not(between(t\\,1\\,6))'", "-c:a", "aac"),
    "gap.flv": (*H264, "-af", "aselect='not(between(t\\,1\\,6))'", "-c:a", "aac"),
    "uneven.mkv": (*H264, "-vf", "select='mod(n+1\\,3)*not(between(t\\,2\\,5))'", "-vsync", "vfr", "-c:a", "aac"),
}


@pytest.fixture(scope="module")
def made(ffmpeg: None, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return what encodes eight seconds: ``made("a.mp4", "-c:a", "aac")``, or by a name of the tables above."""
    folder = tmp_path_factory.mktemp("coverage")
    sources = write_sources(folder, SECONDS)

    def make(name: str, *arguments: str) -> Path:
        path = folder / name
        if not path.exists():
            try:
                run_ffmpeg("-i", sources[0], "-i", sources[1], *(arguments or WHOLE[name]), path)
            except RuntimeError as error:
                if "Unknown encoder" not in str(error):
                    raise
                give_up("encoders", f"an ffmpeg program that can make {name}")
        return path

    return make


def report_of(path: Path) -> ReadReport:
    with open_media(path) as reader:
        reader.audio()
        for _ in reader.video_chunks():
            pass
        return reader.report


def cut(path: Path, target: Path, share: float) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: round(len(data) * share)])
    return target


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_read_completely(made: Make, name: str) -> None:
    report = report_of(made(name))
    assert report.coverage == 1.0 and report.bad_packets == 0, report
    assert report.outcome in (Outcome.OK, Outcome.NO_VIDEO), report


@pytest.mark.parametrize("name", STATED)
def test_a_quarter_of_a_file_is_a_quarter(made: Make, tmp_path: Path, name: str) -> None:
    report = report_of(cut(made(name), tmp_path / name, 0.25))
    assert report.coverage == pytest.approx(0.25, abs=0.08), report
    assert report.outcome is Outcome.PARTIAL and "holds or declares" in report.text


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.aac", "no-header.mp3"])
def test_where_nothing_is_stated_nothing_is_missing(made: Make, tmp_path: Path, name: str) -> None:
    whole = made(name)
    size = whole.stat().st_size // 188 // 2 * 188
    report = report_of(cut(whole, tmp_path / name, size / whole.stat().st_size))
    assert report.coverage > 0.97, report


def test_a_later_fragment_is_whole(made: Make, tmp_path: Path) -> None:
    data = made("fragments.mp4").read_bytes()
    path = tmp_path / "all.mp4"
    path.write_bytes(data)
    with path.open("rb") as file:
        pieces = [(box.kind, box.start - 8, box.stop or len(data)) for box in boxes(file.fileno(), 0, len(data))]
    init = b"".join(data[start:stop] for kind, start, stop in pieces if kind in (b"ftyp", b"moov"))
    parts = [data[start:stop] for kind, start, stop in pieces if kind in (b"moof", b"mdat")]
    # The movie header states the whole movie, as a packager writes it.
    for first in (len(parts) // 4 * 2, len(parts) - 2):
        later = tmp_path / "later.mp4"
        later.write_bytes(with_duration(init, SECONDS) + b"".join(parts[first:]))
        report = report_of(later)
        assert report.coverage == 1.0 and report.outcome is Outcome.OK, report
    early = tmp_path / "early.mp4"
    early.write_bytes(with_duration(init, SECONDS) + b"".join(parts[: len(parts) // 4 * 2]))
    assert report_of(early).coverage == pytest.approx(0.5, abs=0.1)


def with_duration(init: bytes, seconds: float) -> bytes:
    """Return the head of a fragmented file with a movie extends header of version 0."""
    scale = int.from_bytes(init[init.index(b"mvhd") + 16 : init.index(b"mvhd") + 20], "big")
    box = (16).to_bytes(4, "big") + b"mehd" + bytes(4) + round(seconds * scale).to_bytes(4, "big")
    mvex, moov = init.index(b"mvex") - 4, init.index(b"moov") - 4
    grown = init[: mvex + 8] + box + init[mvex + 8 :]
    for at in (mvex, moov):
        size = int.from_bytes(grown[at : at + 4], "big") + len(box)
        grown = grown[:at] + size.to_bytes(4, "big") + grown[at + 4 :]
    return grown


def test_lengths_that_a_writer_left_open_state_nothing(made: Make, tmp_path: Path) -> None:
    data = made("a.wav").read_bytes()
    at = data.index(b"data") + 4
    for open_length in (0, 0x7FFFF000, 0xFFFFFFFF):
        path = tmp_path / "open.wav"
        path.write_bytes(data[:at] + open_length.to_bytes(4, "little") + data[at + 4 :])
        with path.open("rb") as file:
            assert stated_bytes(file.fileno(), "wav") is None
    path = made("a.mp3")
    with path.open("rb") as file:
        assert stated_packets(file.fileno(), "mp3") == pytest.approx(SECONDS * 48_000 / 1152, abs=3)
    with made("a.flac").open("rb") as file:
        assert stated_samples(file.fileno(), "flac") == SECONDS * 48_000


def test_headers_that_are_cut_off_state_nothing(made: Make, tmp_path: Path) -> None:
    names = {"mp4": "mov,mp4,m4a,3gp,3g2,mj2", "mkv": "matroska,webm", "wmv": "asf"}
    for name in STATED:
        path = made(name)
        container = names.get(path.suffix[1:], path.suffix[1:])
        for size in (*range(0, 400, 7), 1000):
            short = cut(path, tmp_path / "short", size / path.stat().st_size)
            with short.open("rb") as file:
                stated = stated_bytes(file.fileno(), container)
                assert stated is None or stated > 0
                stated_samples(file.fileno(), container)


def test_encrypted_files_are_told_as_such(made: Make, tmp_path: Path) -> None:
    path = tmp_path / "encrypted.mp4"
    run_ffmpeg("-i", made("index.mp4"), "-c", "copy", *KEY, path)
    with pytest.raises(MediaUnreadableError, match="is encrypted"):
        open_media(path)


def scrambled(path: Path, target: Path, pids: tuple[int, ...], share: float) -> Path:
    """Write a transport stream whose last packets, by ``share``, are scrambled in these streams."""
    packets = np.frombuffer(path.read_bytes(), np.uint8).copy().reshape(-1, 188)
    rng = np.random.default_rng(1)
    for packet in packets[round(len(packets) * (1 - share)) :]:
        if (int(packet[1]) & 0x1F) << 8 | int(packet[2]) in pids and packet[3] & 0x10:
            start = 5 + int(packet[4]) if packet[3] & 0x20 else 4
            packet[3] |= 0x80
            packet[start:] = rng.integers(0, 256, 188 - start)
    target.write_bytes(packets.tobytes())
    return target


def test_a_scrambled_transport_stream_is_told_as_such(made: Make, tmp_path: Path) -> None:
    clip = made("a.ts")
    with pytest.raises(MediaUnreadableError, match="is encrypted"):
        open_media(scrambled(clip, tmp_path / "all.ts", (256, 257), 1.0))
    half = report_of(scrambled(clip, tmp_path / "half.ts", (256, 257), 0.5))
    assert half.outcome is Outcome.ENCRYPTED and half.coverage == pytest.approx(0.5, abs=0.12), half
    assert "picture and sound are encrypted" in half.text
    for pid, name in ((256, "picture"), (257, "sound")):
        one = report_of(scrambled(clip, tmp_path / f"{name}.ts", (pid,), 1.0))
        assert one.outcome is Outcome.ENCRYPTED and one.coverage == 0.0, one
        assert f"its {name} is encrypted" in one.text


def test_a_protected_asf_file_is_told_as_such(made: Make, tmp_path: Path) -> None:
    data = made("a.wmv").read_bytes()
    size = int.from_bytes(data[16:24], "little")
    protection = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + (40).to_bytes(8, "little") + bytes(16)
    count = int.from_bytes(data[24:28], "little") + 1
    head = data[:16] + (size + 40).to_bytes(8, "little") + count.to_bytes(4, "little") + data[28:size]
    path = tmp_path / "protected.wmv"
    path.write_bytes(head + protection + data[size:])
    with pytest.raises(MediaUnreadableError, match="is encrypted"):
        open_media(path)


def test_an_encrypted_matroska_track_is_told_as_such(made: Make, tmp_path: Path) -> None:
    data = made("a.mkv").read_bytes()
    # ContentEncodings > ContentEncoding > its type 1, ContentEncryption > algorithm AES and the key's identifier.
    encryption = bytes.fromhex("6d80956240925033810150358b47e1810547e28461626364")
    file = os.open(made("a.mkv"), os.O_RDONLY)
    (segment,) = [element for element in elements(file, 0, len(data)) if element.kind == b"\x18\x53\x80\x67"]
    (tracks,) = [e for e in elements(file, segment.start, len(data)) if e.kind == b"\x16\x54\xae\x6b"]
    sound = list(elements(file, tracks.start, tracks.stop or 0))[-1]
    os.close(file)
    assert b"A_OPUS" in data[sound.start : sound.stop]
    entry = data[sound.start : sound.stop] + encryption
    inside = data[tracks.start : sound.start - (sound.start - data.rindex(b"\xae", 0, sound.start))]
    content = inside + b"\xae" + sized(entry) + data[sound.stop : tracks.stop]
    grown = data[: tracks.start].removesuffix(data[data.rindex(b"\x16\x54\xae\x6b", 0, tracks.start) : tracks.start])
    grown += b"\x16\x54\xae\x6b" + sized(content) + data[tracks.stop :]
    path = tmp_path / "encrypted.mkv"
    path.write_bytes(grown)
    report = report_of(path)
    assert report.outcome is Outcome.ENCRYPTED and "its sound is encrypted" in report.text, report
    assert report.coverage == 0.0 and report.decoded_frames > 100


def sized(content: bytes) -> bytes:
    """Return the content of an element after its length in eight bytes."""
    return (len(content) | 1 << 56).to_bytes(8, "big") + content
