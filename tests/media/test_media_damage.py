# SPDX-License-Identifier: Apache-2.0
"""Damage: stepped over, counted, and told; the files are made here and damaged here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.media_clips import beep_times, flash_times, flip_bits, media_bytes, run_ffmpeg

from cad.errors import MediaError, MediaLimitError, MediaUnreadableError
from cad.media.limits import MediaLimits
from cad.media.reader import open_media
from cad.media.records import MediaKind, Outcome, ReadReport

Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2")


def report_of(path: Path, limits: MediaLimits | None = None) -> tuple[ReadReport, int, int]:
    """Return the report, the slots of picture and those of sound that are present."""
    with open_media(path, limits) as reader:
        sound = reader.audio()
        slots = sum(int(chunk.present.sum()) for chunk in reader.video_chunks())
        return reader.report, slots, 0 if sound is None else int(sound.present.sum())


def test_flipped_bits_cost_only_what_they_hit(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("flip.mp4", *H264, "-b:v", "900k", "-c:a", "aac", "-movflags", "+faststart")
    data = whole.read_bytes()
    damaged = tmp_path / "flip.mp4"
    damaged.write_bytes(flip_bits(data, 0.0005, *media_bytes(data)))
    report, picture, sound = report_of(damaged)
    assert picture >= 45 and sound >= 45, "nearly everything is still there"
    assert report.outcome is Outcome.PARTIAL
    assert report.bad_packets > 0
    assert "damaged packet" in report.text


def test_reading_damage_twice_gives_the_same(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("flip2.mp4", *H264, "-b:v", "900k", "-c:a", "aac", "-movflags", "+faststart")
    data = whole.read_bytes()
    damaged = tmp_path / "same.mp4"
    damaged.write_bytes(flip_bits(data, 0.001, *media_bytes(data), seed=5))
    sums = []
    for _ in range(3):
        with open_media(damaged) as reader:
            chunks = [int(chunk.frames.astype(np.uint64).sum()) for chunk in reader.video_chunks()]
            sums.append((chunks, reader.report))
    assert sums[0] == sums[1] == sums[2]


@pytest.mark.parametrize("share", [0.5, 0.75, 0.99])
def test_a_broken_download_is_read_up_to_the_break(make_clip: Make, tmp_path: Path, share: float) -> None:
    whole = make_clip("faststart.mp4", *H264, "-b:v", "900k", "-c:a", "aac", "-movflags", "+faststart")
    damaged = tmp_path / "part.mp4"
    damaged.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    report, picture, sound = report_of(damaged)
    assert report.outcome is Outcome.PARTIAL
    assert share - 0.2 < report.coverage < 1.0
    assert picture >= 50 * (share - 0.2) and sound >= 50 * (share - 0.2)


def test_the_same_break_in_a_matroska_file(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("whole.mkv", *H264, "-b:v", "900k", "-c:a", "libopus")
    damaged = tmp_path / "part.mkv"
    damaged.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    report, picture, _ = report_of(damaged)
    assert report.outcome is Outcome.PARTIAL and 0.25 < report.coverage < 0.8 and 12 <= picture <= 40


def test_a_file_whose_index_was_cut_off_is_refused_in_words(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("index-last.mp4", *H264, "-c:a", "aac")
    damaged = tmp_path / "headless.mp4"
    damaged.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    with pytest.raises(MediaUnreadableError, match="header is damaged"):
        open_media(damaged)


def test_packets_missing_from_a_transport_stream(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("lossy.ts", *H264, "-b:v", "900k", "-c:a", "mp2")
    data = np.frombuffer(whole.read_bytes(), np.uint8).reshape(-1, 188)
    keep = np.ones(len(data), np.bool_)
    keep[len(data) // 2 : len(data) // 2 + len(data) // 8] = False
    damaged = tmp_path / "lossy.ts"
    damaged.write_bytes(data[keep].tobytes())
    report, picture, sound = report_of(damaged)
    assert report.outcome is Outcome.PARTIAL and report.bad_packets > 0
    assert picture < 50 and sound < 50


def test_garbage_in_the_picture_leaves_the_sound(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("garbage.mkv", "-c:v", "mpeg4", "-b:v", "900k", "-c:a", "pcm_s16le")
    path = tmp_path / "silent-picture.mp4"
    run_ffmpeg("-i", whole, "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", path)
    import av

    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for pos, size in places:
        data[pos : pos + size] = b"\xff" * size
    path.write_bytes(data)
    report, picture, sound = report_of(path)
    assert picture == 0 and sound >= 49
    assert report.coverage == 0.0 and report.outcome is Outcome.PARTIAL
    assert report.bad_packets >= 25


def test_garbage_everywhere_raises(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("noise.mp4", *H264, "-c:a", "aac", "-movflags", "+faststart")
    data = whole.read_bytes()
    start, stop = media_bytes(data)
    damaged = tmp_path / "noise.mp4"
    damaged.write_bytes(data[:start] + b"\xff" * (stop - start) + data[stop:])
    with open_media(damaged) as reader, pytest.raises(MediaUnreadableError, match="nothing of it decodes"):
        list(reader.video_chunks())
    assert reader.report.outcome is Outcome.UNDECODABLE


def test_a_gigantic_picture_is_refused_before_it_is_decoded(ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "huge.mov"
    run_ffmpeg(*("-f", "lavfi", "-i", "color=gray:s=16000x8000:r=25", "-frames:v", "1", "-c:v", "mjpeg", path))
    with pytest.raises(MediaLimitError, match="16000x8000") as caught:
        open_media(path)
    assert caught.value.code == "too_large"


def test_limits_on_duration_streams_bytes_and_all_pixels(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip("plain.mp4", "-c:v", "libx264", "-g", "12", "-c:a", "aac")
    with pytest.raises(MediaLimitError, match="lasts 2 s"):
        open_media(clip, MediaLimits(max_duration_seconds=1.0))
    with pytest.raises(MediaLimitError, match="2 pictures and sounds"):
        open_media(clip, MediaLimits(max_streams=1))
    with pytest.raises(MediaLimitError, match="bytes"):
        open_media(clip, MediaLimits(max_file_bytes=100))
    report, picture, sound = report_of(clip, MediaLimits(max_total_pixels=160 * 120 * 20))
    assert report.outcome is Outcome.TOO_LARGE and 15 <= picture <= 20 and sound >= 49
    assert 0.3 < report.coverage < 0.5


def test_a_duration_that_was_not_declared_is_limited_all_the_same(make_clip: Make, tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    clip = make_clip("plain.mp4", "-c:v", "libx264", "-g", "12", "-c:a", "aac")
    run_ffmpeg("-i", clip, "-c", "copy", "-f", "matroska", "-live", "1", path)
    report, picture, sound = report_of(path, MediaLimits(max_duration_seconds=1.0))
    assert report.outcome is Outcome.TOO_LARGE and 24 <= picture <= 26 and 24 <= sound <= 26
    with open_media(path) as reader:
        assert reader.info.duration_seconds == pytest.approx(2.0, abs=0.1), "its packets tell"
        list(reader.video_chunks())
        assert reader.info.duration_seconds == pytest.approx(2.0, abs=0.1)
        assert reader.report.outcome is Outcome.OK


def test_one_frame_is_one_frame(make_clip: Make) -> None:
    report, picture, sound = report_of(make_clip("one.mp4", "-frames:v", "1", *H264, sound=False))
    assert (report.decoded_frames, picture, sound) == (1, 1, 0)
    assert report.outcome is Outcome.OK


def test_a_third_of_a_second(make_clip: Make) -> None:
    report, picture, sound = report_of(make_clip("brief.mp4", "-t", "0.3", *H264, "-c:a", "aac"))
    assert report.outcome is Outcome.OK and picture == 8 and sound in (7, 8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.mp4", b"this is no video, only words\n" * 20, "plain text"),
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1.0,\n/etc/passwd\n#EXT-X-ENDLIST\n", "plain text"),
        ("concat.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n", "plain text"),
        ("subtitles.mkv", b"1\n00:00:00,000 --> 00:00:02,000\nhello\n\n", "plain text"),
        ("zeros.mp4", bytes(5000), "nothing but zeros"),
        ("noise.mp4", np.random.default_rng(3).bytes(5000), "is not a media file"),
        ("empty.mp4", b"", "is empty"),
    ],
)
def test_what_is_no_media_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaUnreadableError, match=words) as caught:
        open_media(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    import os

    with pytest.raises(MediaError, match="no such file") as caught:
        open_media(tmp_path / "missing.mp4")
    assert caught.value.code == "not_found"
    with pytest.raises(MediaError, match="directory") as caught:
        open_media(tmp_path)
    assert caught.value.code == "not_found"
    with pytest.raises(MediaError, match="device, pipe"):
        open_media("/dev/zero")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="device, pipe"):
        open_media(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match=r"no such file|cannot be opened"):
        open_media("http://127.0.0.1/x.mp4")


@pytest.mark.parametrize("name", ["http:x.mp4", "a%03d.mp4", "ü ñ '\".mp4", "-y.mp4", "concat:a|b.mp4"])
def test_odd_names_are_names(h264_mp4: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(h264_mp4.read_bytes())
    report, picture, _ = report_of(path)
    assert report.outcome is Outcome.OK and picture == 50


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rotated.mp4", ("-metadata:s:v", "rotate=90")),
        ("rotated.mov", ("-metadata:s:v", "rotate=270")),
        ("rotated-180.mp4", ("-metadata:s:v", "rotate=180")),
    ],
)
def test_display_matrices_turn_the_picture(
    make_clip: Make, tmp_path: Path, name: str, arguments: tuple[str, str]
) -> None:
    marked = make_clip(
        "marked.mp4", *H264, "-qp", "10", "-vf", "drawbox=0:0:40:30:white:fill", "-t", "0.4", sound=False
    )
    turned = tmp_path / name
    run_ffmpeg("-i", marked, "-c", "copy", *arguments, turned)
    with open_media(turned) as reader:
        chunk = next(reader.video_chunks())
        info = reader.info
    assert info.video is not None
    corners = {
        "top left": chunk.frames[0, 5:20, 5:20].mean(),
        "top right": chunk.frames[0, 5:20, -20:-5].mean(),
        "bottom left": chunk.frames[0, -20:-5, 5:20].mean(),
        "bottom right": chunk.frames[0, -20:-5, -20:-5].mean(),
    }
    expected = {90: "top right", 180: "bottom right", 270: "bottom left"}[info.video.rotation_degrees]
    assert max(corners, key=lambda corner: corners[corner]) == expected
    assert chunk.frames.shape[1:3] == (info.video.height_px, info.video.width_px)
    assert (info.video.rotation_degrees in (90, 270)) == (info.video.height_px > info.video.width_px)


def test_sides_are_bounded_and_pixels_made_square(make_clip: Make) -> None:
    wide = make_clip("wide.mp4", *H264, "-vf", "scale=720:576,setsar=64/45", "-t", "0.2", sound=False)
    with open_media(wide) as reader:
        assert next(reader.video_chunks()).frames.shape[1:3] == (576, 1024)
    with open_media(wide, MediaLimits(max_side_px=256)) as reader:
        frames = next(reader.video_chunks()).frames
    assert frames.shape[1:3] == (144, 256)


@pytest.mark.parametrize("name", ["still.jpg", "still.png", "still.webp", "still.bmp"])
def test_still_pictures(make_clip: Make, name: str) -> None:
    path = make_clip(name, "-frames:v", "1", sound=False)
    with open_media(path) as reader:
        assert reader.info.kind is MediaKind.IMAGE
        assert reader.audio() is None
        chunks = list(reader.video_chunks())
    assert [(chunk.first_slot, chunk.frames.shape, bool(chunk.present.all())) for chunk in chunks] == [
        (0, (1, 120, 160, 3), True)
    ]
    assert reader.report.outcome is Outcome.OK and reader.report.decoded_frames == 1


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 0)), (5, (0, 0)), (6, (0, 1)), (7, (1, 1)), (8, (1, 0))],
)
def test_exif_orientation(make_clip: Make, tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    plain = make_clip("box.jpg", "-frames:v", "1", "-q:v", "2", "-vf", "drawbox=0:0:40:30:white:fill", sound=False)
    data = plain.read_bytes()
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\x00\x01" + entry + b"\0\0\0\0"
    path = tmp_path / "photo.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    with open_media(path) as reader:
        frame = next(reader.video_chunks()).frames[0]
    quarters = frame.shape[0] // 4, frame.shape[1] // 4
    cells = {
        (row, column): frame[
            slice(0, quarters[0]) if row == 0 else slice(-quarters[0], None),
            slice(0, quarters[1]) if column == 0 else slice(-quarters[1], None),
        ].mean()
        for row in (0, 1)
        for column in (0, 1)
    }
    assert max(cells, key=lambda cell: cells[cell]) == corner


def test_a_cover_picture_does_not_make_sound_a_video(
    make_clip: Make, sources: tuple[Path, Path], tmp_path: Path
) -> None:
    cover = make_clip("cover.png", "-frames:v", "1", sound=False)
    path = tmp_path / "song.mp3"
    run_ffmpeg("-i", sources[1], "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "libmp3lame", path)
    with open_media(path) as reader:
        assert reader.info.kind is MediaKind.AUDIO and reader.info.video is None
        sound = reader.audio()
        assert list(reader.video_chunks()) == []
    assert sound is not None and len(sound.present) >= 50
    assert reader.report.outcome is Outcome.NO_VIDEO


@pytest.mark.parametrize("name", ["sound.wav", "sound.flac", "sound.mp3", "sound.ogg", "sound.m4a", "sound.opus"])
def test_sound_alone(sources: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run_ffmpeg("-i", sources[1], path)
    with open_media(path) as reader:
        sound = reader.audio()
    assert reader.info.kind is MediaKind.AUDIO
    assert sound is not None
    assert beep_times(sound.samples) == pytest.approx([0.66, 1.46], abs=0.008)
    assert reader.report.outcome is Outcome.NO_VIDEO and reader.report.coverage == 1.0


def test_picture_alone(make_clip: Make) -> None:
    path = make_clip("silent.mp4", *H264, sound=False)
    with open_media(path) as reader:
        assert reader.audio() is None
        chunks = list(reader.video_chunks())
    frames, present = np.concatenate([c.frames for c in chunks]), np.concatenate([c.present for c in chunks])
    assert flash_times(frames, present) == pytest.approx([0.66, 1.46], abs=0.001)
    assert reader.report.outcome is Outcome.NO_AUDIO


def test_neither_picture_nor_sound(ffmpeg: None, tmp_path: Path) -> None:
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n\n")
    path = tmp_path / "subtitles.mkv"
    run_ffmpeg("-i", text, "-c:s", "srt", path)
    with pytest.raises(MediaError, match="neither picture nor sound") as caught:
        open_media(path)
    assert caught.value.code == "missing_stream"
