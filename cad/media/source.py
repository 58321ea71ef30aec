# SPDX-License-Identifier: Apache-2.0
"""MediaSource is what the detector reads from: a file, a stream or arrays, as sound and picture on the 25 Hz grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from cad.media.records import AudioSamples, MediaInfo, ReadReport, SoundBlock, VideoFrames


class MediaSource(Protocol):
    """Sound and picture of one clip; MediaReader and ArraySource are the two that come with the package.

    A picture is read once, the sounds that go with it before it. A long sound is read again beside it (``reads_again``)
    rather than held in memory.
    """

    @property
    def info(self) -> MediaInfo:
        """What the clip says of itself; a duration or sha256 that it does not state is known once it has been read."""

    @property
    def report(self) -> ReadReport:
        """How well the main picture and sound could be read; complete once they have been consumed."""

    def report_on(self, video: int | None, audio: int | None) -> ReadReport:
        """Return how well a picture and a sound could be read, by their numbers; None where there is none."""

    def audio(self, number: int | None = None) -> AudioSamples | None:
        """Return a whole sound of the clip, from slot 0, or None where there is none.

        Args:
            number: Which of ``info.audios``; None: ``info.audio``.

        Raises:
            MediaError: The clip has sound alone and nothing of it could be read.
            OptionError: The source is closed, or there is no sound of this number.
        """

    @property
    def reads_again(self) -> bool:
        """Whether ``sound_blocks`` can give a sound more than once, also while a picture is being read."""

    def sound_blocks(self, number: int | None = None) -> Iterator[SoundBlock]:
        """Yield a sound of the clip in order, some seconds at a time; nothing where there is none.

        Long stretches without sound are left out. Damage or a limit midway ends the first iteration; ``report_on`` says
        so.

        Args:
            number: Which of ``info.audios``; None: ``info.audio``.

        Raises:
            MediaError: The clip has sound alone and nothing of it could be read, or a later iteration was stopped.
            OptionError: The source is closed, or there is no sound of this number.
        """

    def video_chunks(self, number: int | None = None) -> Iterator[VideoFrames]:
        """Yield a picture in order, each slot once, up to 25 slots at a time; nothing where there is no picture.

        Whole seconds in which no slot shows anything may be left out. Damage or a limit midway ends the iteration;
        ``report_on`` says so.

        Args:
            number: Which of ``info.videos``; None: ``info.video``.

        Raises:
            MediaError: Neither picture nor sound could be read.
            OptionError: The picture has been asked for before, there is none of this number, or the source is closed.
        """

    def close(self) -> None:
        """Let go of whatever the source holds; may be called twice."""
