# SPDX-License-Identifier: Apache-2.0
"""Reads a picture or sound of any source by its number; of a source that knows no numbers, its only ones."""

from __future__ import annotations

from collections.abc import Iterator

from cad.clock import SAMPLES_PER_FRAME
from cad.media.records import AudioSamples, MediaInfo, ReadReport, SoundBlock, VideoFrames
from cad.media.source import MediaSource

#: A whole sound is cut into blocks of so many slots.
_BLOCK_SLOTS = 100


def sound_blocks(source: MediaSource, number: int) -> Iterator[SoundBlock]:
    """Yield the blocks of a sound, those of a source that gives nothing but whole sounds, too."""
    given = () if number == _main(source.info, "audio") else (number,)
    if hasattr(source, "sound_blocks"):
        return source.sound_blocks(*given)
    return _cut(source.audio(*given))


def reads_again(source: MediaSource) -> bool:
    """Say whether a source gives the same sound as often as it is asked for it, without holding all of it."""
    return bool(getattr(source, "reads_again", False))


def read_picture(source: MediaSource, number: int) -> Iterator[VideoFrames]:
    """Return the frames of a picture, up to 25 slots at a time."""
    return source.video_chunks() if number == _main(source.info, "video") else source.video_chunks(number)


def read_report(source: MediaSource, video: int | None, audio: int | None) -> ReadReport:
    """Return how well a picture and a sound could be read, once they have been; None where there is none."""
    if (video, audio) == (_main(source.info, "video"), _main(source.info, "audio")):
        return source.report
    return source.report_on(video, audio)


def _cut(audio: AudioSamples | None) -> Iterator[SoundBlock]:
    for first in range(0, 0 if audio is None else len(audio.present), _BLOCK_SLOTS):
        assert audio is not None
        stop = first + _BLOCK_SLOTS
        samples = audio.samples[first * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        yield SoundBlock(first, samples, audio.present[first:stop])


def _main(info: MediaInfo, kind: str) -> int | None:
    main = info.video if kind == "video" else info.audio
    return None if main is None else main.number
