# SPDX-License-Identifier: Apache-2.0
"""Onlooker lets the fairness measurement see what the detector is given, without decoding anything a second time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.media.records import AudioSamples, MediaInfo, ReadReport, SoundBlock, VideoFrames
from cad.media.source import MediaSource

#: Pictures that are kept while a file is read; when there are more, every second one is dropped.
MOST_KEPT = 6
#: And those of them that are looked at.
LOOKED_AT = 3
#: Seconds of the main sound that are kept.
SOUND_SECONDS = 30.0


class Onlooker:
    """A source that passes on what another gives, and keeps a few pictures and the beginning of the main sound.

    Args:
        source: What is read; whoever opened it closes it.
    """

    def __init__(self, source: MediaSource) -> None:
        self._source = source
        self._pictures: list[tuple[NDArray[np.uint8], float]] = []
        self._every, self._chunks = 1, 0
        self._sound: list[NDArray[np.float32]] = []
        self._samples = 0
        self._has_heard = False

    @property
    def pictures(self) -> list[tuple[NDArray[np.uint8], float]]:
        """Up to LOOKED_AT pictures, evenly spread, each with its file_scale."""
        count = len(self._pictures)
        places = np.linspace(0, count - 1, min(LOOKED_AT, count)).round().astype(int)
        return [self._pictures[place] for place in places.tolist()]

    @property
    def sound(self) -> NDArray[np.float32]:
        """The beginning of the main sound, float32 (samples,) at 16 kHz, without what is absent."""
        return np.concatenate(self._sound) if self._sound else np.zeros(0, np.float32)

    @property
    def info(self) -> MediaInfo:
        """That of the source."""
        return self._source.info

    @property
    def report(self) -> ReadReport:
        """That of the source."""
        return self._source.report

    def report_on(self, video: int | None, audio: int | None) -> ReadReport:
        """Return that of the source."""
        return self._source.report_on(video, audio)

    def audio(self, number: int | None = None) -> AudioSamples | None:
        """Return a sound of the source."""
        return self._source.audio(number)

    @property
    def reads_again(self) -> bool:
        """That of the source."""
        return self._source.reads_again

    def sound_blocks(self, number: int | None = None) -> Iterator[SoundBlock]:
        """Yield the blocks of the source, keeping the first ones of the main sound."""
        main = self._source.info.audio
        is_main = main is not None and number in (None, main.number)
        keeps, self._has_heard = is_main and not self._has_heard, self._has_heard or is_main
        for block in self._source.sound_blocks(number):
            if keeps and self._samples < SOUND_SECONDS * 25 * SAMPLES_PER_FRAME:
                kept = block.samples.reshape(-1, SAMPLES_PER_FRAME)[block.present].reshape(-1).copy()
                self._sound.append(kept)
                self._samples += len(kept)
            yield block

    def video_chunks(self, number: int | None = None) -> Iterator[VideoFrames]:
        """Yield the chunks of the source, keeping a picture of some of them."""
        main = self._source.info.video
        is_main = main is not None and number in (None, main.number)
        for chunk in self._source.video_chunks(number):
            if is_main and chunk.present.any():
                self._keep(chunk)
            yield chunk

    def close(self) -> None:
        """Do nothing: the source belongs to whoever opened it."""

    def _keep(self, chunk: VideoFrames) -> None:
        if self._chunks % self._every == 0:
            there = np.flatnonzero(chunk.present)
            # The frames lie in memory that the decoding process writes to again.
            self._pictures.append((chunk.frames[there[len(there) // 2]].copy(), chunk.file_scale))
            if len(self._pictures) > MOST_KEPT:
                del self._pictures[1::2]
                self._every *= 2
        self._chunks += 1
