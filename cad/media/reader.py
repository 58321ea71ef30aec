# SPDX-License-Identifier: Apache-2.0
"""MediaReader: a file as sound and picture on the 25 Hz grid, decoded in a process that may die without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.errors import (
    DecoderCrashedError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    MediaTimeoutError,
    MediaUnreadableError,
    MissingStreamError,
    OptionError,
)
from cad.media.coverage import StreamReading, make_report
from cad.media.limits import MediaLimits
from cad.media.messages import Progress, info_from_message, limits_to_message
from cad.media.preflight import check_path
from cad.media.process import WorkerProcess
from cad.media.records import AudioSamples, MediaInfo, MediaKind, ReadReport, VideoFrames
from cad.media.ring import block_bytes

#: Slots in one chunk of picture: a second.
CHUNK_SLOTS = FRAME_RATE_HZ
_ERRORS = {
    cls.code: cls
    for cls in (
        MediaError,
        MediaNotFoundError,
        MediaUnreadableError,
        MissingStreamError,
        MediaLimitError,
        MediaTimeoutError,
        DecoderCrashedError,
    )
}


def open_media(path: str | Path, limits: MediaLimits | None = None) -> MediaReader:
    """Open a media file (video with or without sound, sound alone, a still picture) for reading.

    Decoding happens in a process of its own that is ended with the reader; use MediaPool for many files.

    Args:
        path: The file.
        limits: What it may cost; MediaLimits() if None.

    Returns:
        A reader, to be used as a context manager.

    Raises:
        MediaNotFoundError: There is no such file, or it is a directory.
        MediaUnreadableError: It is no media that the decoder knows.
        MissingStreamError: It has neither picture nor sound.
        MediaLimitError: It exceeds a limit.
        MediaTimeoutError: Opening it took too long.
        DecoderCrashedError: The decoder died of it.
    """
    limits = limits or MediaLimits()
    check_path(path, limits)
    return MediaReader(path, limits, lambda: WorkerProcess(block_bytes(limits)), WorkerProcess.kill)


class MediaReader:
    """One open file; made by open_media or MediaPool.open.

    Args:
        path: The file, already checked.
        limits: What it may cost.
        acquire: Gives a decoding process that is ready for a file.
        release: Takes it back.
    """

    def __init__(
        self,
        path: str | Path,
        limits: MediaLimits,
        acquire: Callable[[], WorkerProcess],
        release: Callable[[WorkerProcess], None],
    ) -> None:
        self._path = path
        self._limits = limits
        self._acquire = acquire
        self._release = release
        self._worker: WorkerProcess | None = None
        self._idle = True  # the worker waits for a command
        self._audio: AudioSamples | None = None
        self._picture: StreamReading | None = None
        self._sound: StreamReading | None = None
        self._closed = False
        try:
            self._info = self._open()
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> MediaInfo:
        """What the file says of itself; an undeclared duration is filled in once the file has been read."""
        if self._info.duration_seconds > 0 or self._info.kind is MediaKind.IMAGE:
            return self._info
        read = [reading.progress.seconds for reading in (self._picture, self._sound) if reading is not None]
        return replace(self._info, duration_seconds=max(read, default=0.0))

    @property
    def report(self) -> ReadReport:
        """How well the file could be read; complete once picture and sound have been consumed."""
        nothing = StreamReading(Progress(), complete=False)
        return make_report(
            self._info,
            None if self._info.video is None else self._picture or nothing,
            None if self._info.audio is None else self._sound or nothing,
        )

    def audio(self) -> AudioSamples | None:
        """Return the sound of the whole file on the grid, from slot 0, or None when there is none to be had.

        Damage, a crash or a limit midway give what was read until then; ``report`` says so.

        Raises:
            MediaError: The file has sound alone and nothing of it could be read.
        """
        if self._info.audio is not None and self._sound is None:
            self._read_sound()
        if self._info.video is None and self._audio is None:
            raise self._nothing_read()
        return self._audio

    def video_chunks(self) -> Iterator[VideoFrames]:
        """Yield the picture in order, each slot once, some 25 slots at a time; nothing when there is no picture.

        Damage, a crash or a limit midway end the iteration; ``report`` says so.

        Raises:
            MediaError: Neither picture nor sound could be read.
            OptionError: The picture has been asked for before.
        """
        if self._info.video is None:
            return
        if self._picture is not None:
            raise OptionError("the picture of a reader can be read once; open the file again")
        self.audio()
        self._picture = StreamReading(Progress(), complete=False)
        yield from self._read_picture()
        if self._picture.progress.decoded == 0 and self._audio is None:
            raise self._nothing_read()

    def close(self) -> None:
        """Give the decoding process back, or end it if it is busy."""
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._idle and worker.alive:
            self._release(worker)
        else:
            worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> MediaInfo:
        message = self._command(
            {"type": "open", "path": str(Path(self._path).absolute()), "limits": limits_to_message(self._limits)}
        )
        while message["type"] == "beat":
            message = self._receive()
        self._idle = True
        try:
            return info_from_message(message, str(self._path))
        except (KeyError, TypeError, ValueError) as error:
            raise self._nonsense() from error

    def _read_sound(self) -> None:
        blocks: list[tuple[int, NDArray[np.float32], NDArray[np.bool_]]] = []
        progress, complete, problem = Progress(), False, None
        try:
            message = self._command({"type": "audio"})
            while True:
                progress = Progress.from_message(message)
                if message["type"] == "sound":
                    blocks.append(self._copy_sound(message))
                elif message["type"] == "done":
                    complete = self._idle = True
                    break
                message = self._receive()
        except MediaError as error:
            problem = error
        self._sound = StreamReading(progress, complete, problem)
        if blocks:
            self._audio = _join_sound(blocks)

    def _read_picture(self) -> Iterator[VideoFrames]:
        progress, complete, problem = Progress(), False, None
        builder: ChunkBuilder | None = None
        try:
            message = self._command({"type": "video"})
            while True:
                progress = Progress.from_message(message)
                self._picture = StreamReading(progress, complete=False)
                if message["type"] == "layout":
                    builder = self._make_builder(message)
                elif message["type"] == "frame" and builder is not None:
                    yield from self._place(builder, message)
                elif message["type"] == "done":
                    complete = self._idle = True
                    break
                message = self._receive()
        except MediaError as error:
            problem = error
        self._picture = StreamReading(progress, complete, problem)
        if builder is not None:
            yield from builder.end()

    def _make_builder(self, message: dict[str, Any]) -> ChunkBuilder:
        height, width = int(message["height"]), int(message["width"])
        if not (0 < height <= self._limits.max_side_px and 0 < width <= self._limits.max_side_px):
            raise self._nonsense()
        return ChunkBuilder(height, width)

    def _place(self, builder: ChunkBuilder, message: dict[str, Any]) -> Iterator[VideoFrames]:
        pixels = self._view(message, builder.height * builder.width * 3).reshape(builder.height, builder.width, 3)
        first, missing, count = int(message["first_slot"]), int(message["missing"]), int(message["count"])
        last_slot = self._limits.max_duration_seconds * FRAME_RATE_HZ + CHUNK_SLOTS
        if first != builder.next_slot or missing < 0 or count < 1 or first + missing + count > last_slot:
            raise self._nonsense()
        yield from builder.skip(missing)
        yield from builder.show(pixels, count)
        self._free(message)

    def _copy_sound(self, message: dict[str, Any]) -> tuple[int, NDArray[np.float32], NDArray[np.bool_]]:
        first_slot, slots = int(message["first_slot"]), int(message["slots"])
        sample_bytes = slots * SAMPLES_PER_FRAME * 4
        if slots < 1 or first_slot < 0:
            raise self._nonsense()
        data = self._view(message, sample_bytes + slots).copy()
        self._free(message)
        return first_slot, data[:sample_bytes].view(np.float32), data[sample_bytes:].astype(np.bool_)

    def _view(self, message: dict[str, Any], size_bytes: int) -> NDArray[np.uint8]:
        """Return the shared bytes that a message points at, after checking that they are there."""
        assert self._worker is not None
        offset, block = int(message["offset"]), self._worker.block
        if size_bytes < 0 or not 0 <= offset <= block.size_bytes - size_bytes:
            raise self._nonsense()
        return np.frombuffer(block.memory, np.uint8, size_bytes, offset)

    def _free(self, message: dict[str, Any]) -> None:
        assert self._worker is not None
        self._worker.send({"type": "free", "buffer": message["buffer"]})

    def _command(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return the first answer."""
        if self._closed:
            raise OptionError(f"{self._path}: the reader is closed")
        if self._worker is None or not self._worker.alive:
            self._renew_worker(message)
        assert self._worker is not None
        self._idle = False
        self._worker.send(message)
        return self._receive()

    def _renew_worker(self, message: dict[str, Any]) -> None:
        """Get a decoding process; one that replaces a dead one must be told of the file again."""
        self._worker = self._acquire()
        self._worker.begin(self._path, self._limits)
        if message["type"] != "open":
            self._open()

    def _receive(self) -> dict[str, Any]:
        """Return the next message, or raise what it says went wrong."""
        assert self._worker is not None
        message = self._worker.receive()
        if message.get("type") == "error":
            self._idle = True
            raise _ERRORS.get(str(message.get("code")), MediaUnreadableError)(self._path, str(message.get("text")))
        if "type" not in message or "progress" not in message:
            raise self._nonsense()
        return message

    def _nonsense(self) -> DecoderCrashedError:
        """End a decoding process that does not keep to the protocol: it may have been taken over."""
        if self._worker is not None:
            self._worker.kill()
        return DecoderCrashedError(self._path, "the decoding process gave an impossible answer and was stopped")

    def _nothing_read(self) -> MediaError:
        for reading in (self._picture, self._sound):
            if reading is not None and reading.error is not None:
                return reading.error
        return MediaUnreadableError(self._path, "nothing of it decodes")


class ChunkBuilder:
    """Collects slots into chunks of CHUNK_SLOTS.

    Args:
        height: Of every frame.
        width: Of every frame.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._first_slot = 0
        self._used = 0
        self._frames, self._present = self._blank()

    @property
    def next_slot(self) -> int:
        """The slot that comes next."""
        return self._first_slot + self._used

    def skip(self, count: int) -> Iterator[VideoFrames]:
        """Add empty slots; yield what becomes full."""
        for _ in range(count):
            self._frames[self._used] = 0
            self._used += 1
            yield from self._full()

    def show(self, pixels: NDArray[np.uint8], count: int) -> Iterator[VideoFrames]:
        """Add slots that show ``pixels``; yield what becomes full."""
        for _ in range(count):
            self._frames[self._used] = pixels
            self._present[self._used] = True
            self._used += 1
            yield from self._full()

    def end(self) -> Iterator[VideoFrames]:
        """Yield what is left."""
        if self._used:
            yield VideoFrames(self._first_slot, self._frames[: self._used].copy(), self._present[: self._used])
            self._first_slot += self._used
            self._used = 0

    def _full(self) -> Iterator[VideoFrames]:
        if self._used == CHUNK_SLOTS:
            chunk = VideoFrames(self._first_slot, self._frames, self._present)
            self._first_slot += self._used
            self._used = 0
            self._frames, self._present = self._blank()
            yield chunk

    def _blank(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        shape = (CHUNK_SLOTS, self.height, self.width, 3)
        return np.empty(shape, np.uint8), np.zeros(CHUNK_SLOTS, np.bool_)


def _join_sound(blocks: list[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]) -> AudioSamples:
    """Return consecutive blocks as one record."""
    return AudioSamples(
        np.concatenate([samples for _, samples, _ in blocks]), np.concatenate([present for _, _, present in blocks])
    )
