# SPDX-License-Identifier: Apache-2.0
"""Reads a picture or sound of any source by its number; of a source that knows no numbers, its only ones."""

from __future__ import annotations

from collections.abc import Iterator

from cad.media.records import AudioSamples, MediaInfo, ReadReport, VideoFrames
from cad.media.source import MediaSource


def read_sound(source: MediaSource, number: int) -> AudioSamples | None:
    """Return a sound on the grid, or None where nothing of it could be read."""
    return source.audio() if number == _main(source.info, "audio") else source.audio(number)


def read_picture(source: MediaSource, number: int) -> Iterator[VideoFrames]:
    """Return the frames of a picture, some 25 slots at a time."""
    return source.video_chunks() if number == _main(source.info, "video") else source.video_chunks(number)


def read_report(source: MediaSource, video: int | None, audio: int | None) -> ReadReport:
    """Return how well a picture and a sound could be read, once they have been; None where there is none."""
    if (video, audio) == (_main(source.info, "video"), _main(source.info, "audio")):
        return source.report
    return source.report_on(video, audio)


def _main(info: MediaInfo, kind: str) -> int | None:
    main = info.video if kind == "video" else info.audio
    return None if main is None else main.number
