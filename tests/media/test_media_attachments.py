# SPDX-License-Identifier: Apache-2.0
"""What a file holds beside its pictures and sounds (fonts, covers, chapters, tags) is neither counted nor judged."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from benchmarks.extreme_files import image
from benchmarks.media_clips import run_ffmpeg
from made_media import talk, write_video, write_wav

from cad.errors import MediaLimitError
from cad.media.limits import MediaLimits
from cad.media.reader import open_media
from cad.media.records import Outcome


@pytest.fixture
def clip(ffmpeg: None, tmp_path: Path) -> Path:
    return write_video(tmp_path / "plain.mkv", 2.0, sound=talk(2.0))


def read(path: Path, limits: MediaLimits | None = None) -> tuple[int, int, Outcome, list[str]]:
    """Return slots with picture, samples of sound, outcome and the kinds of the tracks."""
    with open_media(path, limits or MediaLimits()) as reader:
        sound = reader.audio()
        slots = sum(int(chunk.present.sum()) for chunk in reader.video_chunks()) if reader.info.video else 0
        kinds = [*("video" for _ in reader.info.videos), *("audio" for _ in reader.info.audios)]
        return slots, 0 if sound is None else len(sound.samples), Outcome(reader.report.outcome), kinds


def test_a_matroska_with_sixty_fonts_and_covers_is_read_like_one_without(clip: Path, tmp_path: Path) -> None:
    font, cover = tmp_path / "a.ttf", tmp_path / "cover.jpg"
    full, bare = tmp_path / "full.mkv", tmp_path / "bare.mkv"
    font.write_bytes(bytes(range(256)) * 40)
    cover.write_bytes(image(".jpg", 16, 16))
    attached = [*["-attach", font] * 60, *["-attach", cover] * 20]
    kinds = ["font/ttf"] * 60 + ["image/jpeg"] * 20
    told = [word for index, kind in enumerate(kinds) for word in (f"-metadata:s:t:{index}", f"mimetype={kind}")]
    run_ffmpeg("-i", clip, *attached, *told, "-c", "copy", full)
    run_ffmpeg("-i", clip, "-c", "copy", bare)
    assert full.stat().st_size > bare.stat().st_size + 60 * font.stat().st_size
    assert read(full) == read(bare)


@pytest.mark.parametrize("pictures", [900, 2000])
def test_an_mp3_with_hundreds_of_covers(ffmpeg: None, tmp_path: Path, pictures: int) -> None:
    """FFmpeg holds 1,000 streams; a file that has more is too large for it."""
    plain, full = tmp_path / "plain.mp3", tmp_path / "full.mp3"
    run_ffmpeg("-i", write_wav(tmp_path / "a.wav", talk(2.0)), plain)
    cover = image(".jpg", 16, 16)
    body = b"".join(
        b"APIC" + struct.pack(">IH", 14 + len(cover), 0) + b"\0image/jpeg\0" + bytes([index % 21, 0]) + cover
        for index in range(pictures)
    )
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    full.write_bytes(b"ID3\x03\0\0" + size + body + plain.read_bytes())
    if pictures > 1000:
        with pytest.raises(MediaLimitError):
            read(full)
    else:
        assert read(full) == read(plain)


def test_pictures_and_sounds_are_counted(clip: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.mkv"
    run_ffmpeg("-i", clip, *["-map", "0:a"] * 5, "-map", "0:v", "-c", "copy", many)
    assert read(many, MediaLimits(max_streams=6))[3] == ["video", *["audio"] * 5]
    with pytest.raises(MediaLimitError, match="has 6 pictures and sounds; the limit is 5"):
        read(many, MediaLimits(max_streams=5))
