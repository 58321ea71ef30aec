# SPDX-License-Identifier: Apache-2.0
"""The flash and the beep land within 20 ms of each other, whatever container and codecs carry them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from media_clips import EVENT_SECONDS, FFMPEG, beep_times, flash_times

from cad.media.reader import open_media
from cad.media.records import Outcome

TOLERANCE_SECONDS = 0.020
VIDEO = {
    "h264": ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12"),
    "hevc10": ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"),
    "vp9": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k"),
    "av1": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v", "300k", "-strict", "-2"),
    "mpeg1": ("-c:v", "mpeg1video", "-b:v", "800k", "-bf", "2"),
    "mpeg2": ("-c:v", "mpeg2video", "-b:v", "800k", "-bf", "2"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"),
}
AUDIO = {
    "aac": ("-c:a", "aac", "-b:a", "96k"),
    "opus": ("-c:a", "libopus", "-b:a", "64k"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "96k", "-ar", "44100"),
    "pcm": ("-c:a", "pcm_s16le"),
    "vorbis": ("-c:a", "libvorbis"),
    "ac3": ("-c:a", "ac3", "-b:a", "96k"),
}
ALL_VIDEO, ALL_AUDIO = tuple(VIDEO), tuple(AUDIO)
#: AVI stores no presentation stamps and no word on priming: the samples that an encoder puts in front of the sound
#: (in seconds, of the encoders used here) stay there, and nobody can tell them from sound.
AVI_PRIMING_SECONDS = {"mp3": 1105 / 44_100, "aac": 1024 / 48_000}
#: What each container may hold (by its standard or by what FFmpeg writes into it).
LEGAL: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mp4": (
        ("h264", "hevc", "hevc10", "vp9", "av1", "mpeg1", "mpeg2", "mjpeg"),
        ("aac", "opus", "mp3", "ac3", "vorbis"),
    ),
    "mov": (("h264", "hevc", "hevc10", "mpeg1", "mpeg2", "mjpeg"), ("aac", "mp3", "pcm", "ac3")),
    "mkv": (ALL_VIDEO, ALL_AUDIO),
    "webm": (("vp9", "av1"), ("opus", "vorbis")),
    "avi": (("h264", "mpeg1", "mpeg2", "mjpeg", "vp9"), ("mp3", "pcm", "ac3", "aac")),
    "mpg": (("mpeg1", "mpeg2", "h264", "hevc"), ("mp3", "ac3")),
    "ts": (("h264", "hevc", "hevc10", "mpeg1", "mpeg2"), ("aac", "opus", "mp3", "ac3")),
    "flv": (("h264",), ("aac", "mp3", "pcm")),
}
FAST = (
    ("mp4", "h264", "aac"),
    ("mov", "hevc", "pcm"),
    ("mkv", "vp9", "opus"),
    ("webm", "av1", "opus"),
    ("avi", "mjpeg", "mp3"),
    ("mpg", "mpeg2", "ac3"),
    ("ts", "h264", "mp3"),
    ("flv", "h264", "aac"),
    ("mkv", "hevc10", "vorbis"),
)
EVERY = tuple(
    (container, video, audio) for container, (videos, audios) in LEGAL.items() for video in videos for audio in audios
)


@lru_cache
def encoders() -> str:
    """Names of the encoders that the ffmpeg program was built with."""
    assert FFMPEG is not None
    return subprocess.run([FFMPEG, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout


def check(make_clip: Callable[..., Path], container: str, video: str, audio: str) -> None:
    for arguments in (VIDEO[video], AUDIO[audio]):
        if f" {arguments[1]} " not in encoders():
            pytest.skip(f"the ffmpeg program here has no encoder {arguments[1]}")
    extra = ("-ar", "44100") if (container, audio) == ("flv", "pcm") else ()  # a rate that FLV knows
    path = make_clip(f"{video}-{audio}.{container}", *VIDEO[video], *AUDIO[audio], *extra)
    with open_media(path) as reader:
        sound = reader.audio()
        chunks = list(reader.video_chunks())
        info, report = reader.info, reader.report
    assert sound is not None
    assert report.outcome is Outcome.OK, report
    assert info.video is not None and info.video.fps == pytest.approx(25, abs=0.1)
    frames, present = np.concatenate([c.frames for c in chunks]), np.concatenate([c.present for c in chunks])
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples)
    assert len(flashes) == len(beeps) == len(EVENT_SECONDS), (flashes, beeps)
    differences = np.array(flashes) - np.array(beeps)
    allowed = TOLERANCE_SECONDS + (AVI_PRIMING_SECONDS.get(audio, 0.0) if container == "avi" else 0.0)
    assert np.abs(differences).max() <= allowed, (differences, info)
    assert present.sum() >= 48


@pytest.mark.parametrize(("container", "video", "audio"), FAST, ids=lambda part: str(part))
def test_flash_and_beep(make_clip: Callable[..., Path], container: str, video: str, audio: str) -> None:
    check(make_clip, container, video, audio)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("container", "video", "audio"), [case for case in EVERY if case not in FAST], ids=lambda part: str(part)
)
def test_flash_and_beep_everywhere(make_clip: Callable[..., Path], container: str, video: str, audio: str) -> None:
    check(make_clip, container, video, audio)
