# SPDX-License-Identifier: Apache-2.0
"""MediaSource is what the detector reads from: a file, a stream or arrays, as sound and picture on the 25 Hz grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from cad.media.records import AudioSamples, MediaInfo, ReadReport, VideoFrames


class MediaSource(Protocol):
    """Sound and picture of one clip; MediaReader and ArraySource are the two that come with the package.

    A source is read once, sound before picture, and then closed.
    """

    @property
    def info(self) -> MediaInfo:
        """What the clip says of itself; a duration or sha256 that it does not state is known once it has been read."""

    @property
    def report(self) -> ReadReport:
        """How well the clip could be read; complete once sound and picture have been consumed."""

    def audio(self) -> AudioSamples | None:
        """Return the sound of the whole clip, from slot 0, or None where there is none.

        Raises:
            MediaError: The clip has sound alone and nothing of it could be read.
            OptionError: The source is closed.
        """

    def video_chunks(self) -> Iterator[VideoFrames]:
        """Yield the picture in order, each slot once, some 25 slots at a time; nothing where there is no picture.

        Whole seconds in which no slot shows anything may be left out.

        Damage or a limit midway ends the iteration; ``report`` says so.

        Raises:
            MediaError: Neither picture nor sound could be read.
            OptionError: The picture has been asked for before, or the source is closed.
        """

    def close(self) -> None:
        """Let go of whatever the source holds; may be called twice."""
