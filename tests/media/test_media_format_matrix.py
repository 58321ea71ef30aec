# SPDX-License-Identifier: Apache-2.0
"""The flash and the beep land within 20 ms of each other, whatever container and codecs carry them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.formats import AUDIO, AVI_PRIMING_SECONDS, EVERY, FAST, TOLERANCE_SECONDS, VIDEO, encoders
from benchmarks.media_clips import EVENT_SECONDS, beep_times, flash_times
from requirements import give_up

from cad.media.reader import open_media
from cad.media.records import Outcome


def check(make_clip: Callable[..., Path], container: str, video: str, audio: str) -> None:
    for arguments in (VIDEO[video], AUDIO[audio]):
        if f" {arguments[1]} " not in encoders():
            give_up("encoders", f"an ffmpeg program with the encoder {arguments[1]}")
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
