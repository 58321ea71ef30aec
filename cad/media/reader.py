# SPDX-License-Identifier: Apache-2.0
"""MediaReader gives the detector the sound and picture of a file, decoded in a process that may die without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.closing import Closing
from cad.errors import (
    DecoderCrashedError,
    MediaError,
    MediaLimitError,
    MediaUnreadableError,
    MissingStreamError,
    OptionError,
)
from cad.media.chunks import CHUNK_SLOTS, ChunkBuilder
from cad.media.coverage import StreamReading, make_report
from cad.media.input import InputFile, MediaInput, open_input
from cad.media.limits import MediaLimits
from cad.media.messages import Answer, Beat, Done, Failure, Frame, Layout, Progress, Sound, parse_answer
from cad.media.process import WorkerProcess
from cad.media.records import AudioSamples, MediaInfo, MediaKind, ReadReport, VideoFrames
from cad.media.ring import block_bytes

#: What the decoding process may say of a file.
_ERRORS = {cls.code: cls for cls in (MediaUnreadableError, MissingStreamError, MediaLimitError, DecoderCrashedError)}


def open_media(media: MediaInput, limits: MediaLimits | None = None, name: str | None = None) -> MediaReader:
    """Open a media file (video with or without sound, sound alone, a still picture) for reading.

    A process of its own decodes it and ends with the reader; use MediaPool for many files.

    Args:
        media: The path of the file, its bytes, or a binary stream, which is read to its end at once. Bytes and streams
            are kept in anonymous memory (on macOS in a temporary file without a name) until the reader is closed.
        limits: What it may cost; MediaLimits() if None.
        name: What reports and errors call it; None takes the path, ``<bytes>`` or ``<stream>``.

    Returns:
        A reader, to be used as a context manager.

    Raises:
        MediaNotFoundError: There is no such file, or it is a directory.
        MediaUnreadableError: It is no media that the decoder knows, or the stream failed.
        MissingStreamError: It has neither picture nor sound.
        MediaLimitError: It exceeds a limit.
        MediaTimeoutError: Opening it took too long.
        DecoderCrashedError: The decoder died of it.
        OptionError: ``media`` is none of the accepted things, or a text stream.
    """
    limits = limits or MediaLimits()
    file = open_input(media, limits, name)
    return MediaReader(file, limits, lambda: WorkerProcess(block_bytes(limits)), WorkerProcess.kill)


class MediaReader(Closing):
    """One open file; made by open_media or MediaPool.open.

    Args:
        file: The file, already checked; closed with the reader.
        limits: What it may cost.
        acquire: Gives a decoding process that is ready for a file.
        release: Takes it back.
    """

    def __init__(
        self,
        file: InputFile,
        limits: MediaLimits,
        acquire: Callable[[], WorkerProcess],
        release: Callable[[WorkerProcess], None],
    ) -> None:
        self._file = file
        self._path = file.name
        self._limits = limits
        self._acquire = acquire
        self._release = release
        self._worker: WorkerProcess | None = None
        self._idle = True  # the worker waits for a command
        self._audio: AudioSamples | None = None
        self._picture: StreamReading | None = None
        self._sound: StreamReading | None = None
        self._consumed = False
        self._closed = False
        try:
            self._info = self._open()
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> MediaInfo:
        """What the file says of itself; its sha256 and an undeclared duration are filled in once it has been read."""
        info = replace(self._info, sha256=self._file.sha256()) if self._consumed else self._info
        if info.duration_seconds > 0 or info.kind is MediaKind.IMAGE:
            return info
        read = [reading.progress.seconds for reading in (self._picture, self._sound) if reading is not None]
        return replace(info, duration_seconds=max(read, default=0.0))

    @property
    def report(self) -> ReadReport:
        """How well the file could be read; complete once picture and sound have been consumed."""
        return make_report(self._info, self._picture, self._sound)

    def audio(self) -> AudioSamples | None:
        """Return the sound of the whole file on the grid, from slot 0, or None where there is none.

        After damage, a crash or a limit midway it is what was read until then; ``report`` says so.

        Raises:
            MediaError: The file has sound alone and nothing of it could be read.
        """
        if not self._closed:
            self._file.start_hashing()
        if self._info.audio is not None and self._sound is None:
            self._read_sound()
        self._consumed |= self._info.video is None
        if self._info.video is None and self._audio is None:
            raise self._nothing_read()
        return self._audio

    def video_chunks(self) -> Iterator[VideoFrames]:
        """Yield the picture in order, each slot once, some 25 slots at a time; nothing where there is no picture.

        Whole seconds in which no slot shows anything may be left out.

        Damage, a crash or a limit midway ends the iteration; ``report`` says so.

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
        self._consumed = True
        if self._picture.progress.decoded == 0 and self._audio is None:
            raise self._nothing_read()

    def close(self) -> None:
        """Give the decoding process back, or end it if it is busy, and close the file."""
        self._closed = True
        if self._consumed:
            self._file.sha256()  # for those who ask ``info`` later
        self._file.close()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._idle and worker.alive:
            self._release(worker)
        else:
            worker.kill()

    def _open(self) -> MediaInfo:
        command = {"type": "open", "name": str(self._path), "limits": asdict(self._limits)}
        for _, answer in self._answers(command, self._file.fd):
            if isinstance(answer, MediaInfo):
                self._idle = True
                return replace(answer, path=str(self._path))
        raise self._nonsense()

    def _read_sound(self) -> None:
        blocks: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        progress, problem, next_slot = Progress(), None, 0
        try:
            for progress, answer in self._answers({"type": "audio"}):  # noqa: B007 - its last value is what counts
                if isinstance(answer, Sound) and answer.first_slot == next_slot and answer.slots > 0:
                    blocks.append(self._copy_sound(answer))
                    next_slot += answer.slots
                elif not isinstance(answer, Done):
                    raise self._nonsense()
        except MediaError as error:
            problem = _bare(error)
        if blocks:
            self._audio = AudioSamples(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
        slots = 0 if self._audio is None else int(self._audio.present.sum())
        self._sound = StreamReading(progress, problem is None, problem, slots)

    def _read_picture(self) -> Iterator[VideoFrames]:
        progress, problem = Progress(), None
        builder: ChunkBuilder | None = None
        try:
            for progress, answer in self._answers({"type": "video"}):
                self._picture = StreamReading(progress, complete=False)
                if isinstance(answer, Layout) and builder is None:
                    if not all(0 < side <= self._limits.max_side_px for side in (answer.height, answer.width)):
                        raise self._nonsense()
                    builder = ChunkBuilder(answer.height, answer.width)
                elif isinstance(answer, Frame) and builder is not None:
                    yield from self._place(builder, answer)
                elif not isinstance(answer, Done):
                    raise self._nonsense()
        except MediaError as error:
            problem = _bare(error)
        self._picture = StreamReading(progress, problem is None, problem, 0 if builder is None else builder.shown)
        if builder is not None:
            yield from builder.end()

    def _place(self, builder: ChunkBuilder, frame: Frame) -> Iterator[VideoFrames]:
        pixels = self._view(frame, builder.height * builder.width * 3).reshape(builder.height, builder.width, 3)
        slots_allowed = self._limits.max_duration_seconds * FRAME_RATE_HZ + CHUNK_SLOTS
        end = frame.first_slot + frame.missing + frame.count
        if frame.first_slot != builder.next_slot or frame.missing < 0 or frame.count < 1 or end > slots_allowed:
            raise self._nonsense()
        yield from builder.add(frame.missing, pixels, frame.count)
        self._free(frame)

    def _copy_sound(self, sound: Sound) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        sample_bytes = sound.slots * SAMPLES_PER_FRAME * 4
        data = self._view(sound, sample_bytes + sound.slots).copy()
        self._free(sound)
        return data[:sample_bytes].view(np.float32), data[sample_bytes:] != 0

    def _view(self, answer: Frame | Sound, size_bytes: int) -> NDArray[np.uint8]:
        """Return the shared bytes that an answer points at, after checking that they are there."""
        block = self._open_worker().block
        if not 0 <= answer.offset <= block.size_bytes - size_bytes:
            raise self._nonsense()
        return np.frombuffer(block.memory, np.uint8, size_bytes, answer.offset)

    def _free(self, answer: Frame | Sound) -> None:
        self._open_worker().send({"type": "free", "buffer": answer.buffer})

    def _answers(self, command: dict[str, Any], fd: int | None = None) -> Iterator[tuple[Progress, Answer]]:
        """Send a command and yield its answers without the signs of life; the last one is a Done or a MediaInfo."""
        self._living_worker(command)
        self._idle = False
        self._open_worker().send(command, fd)
        while True:
            try:
                progress, answer = parse_answer(self._open_worker().receive())
            except (KeyError, TypeError, ValueError) as error:
                raise self._nonsense() from error
            if isinstance(answer, Failure):
                self._idle = True
                raise _ERRORS.get(answer.code, MediaUnreadableError)(self._path, answer.text)
            self._idle = isinstance(answer, Done)
            if not isinstance(answer, Beat):
                yield progress, answer
            if isinstance(answer, Done):
                return

    def _open_worker(self) -> WorkerProcess:
        if self._worker is None:
            raise OptionError(f"{self._path}: the reader is closed")
        return self._worker

    def _living_worker(self, command: dict[str, Any]) -> None:
        """Make sure that a decoding process lives; one that replaces a dead one is told of the file first."""
        if self._closed:
            raise OptionError(f"{self._path}: the reader is closed")
        if self._worker is None or not self._worker.alive:
            if self._worker is not None:
                self._worker.kill()
            self._worker = self._acquire()
            self._worker.begin(self._path, self._limits)
            if command["type"] != "open":
                self._open()

    def _nonsense(self) -> DecoderCrashedError:
        """End a decoding process that breaks the protocol, for it may have been taken over; return the error."""
        if self._worker is not None:
            self._worker.kill()
        return DecoderCrashedError(self._path, "the decoding process gave an impossible answer and was stopped")

    def _nothing_read(self) -> MediaError:
        for reading in (self._picture, self._sound):
            if reading is not None and reading.error is not None:
                return reading.error
        return MediaUnreadableError(self._path, "nothing of it decodes")


def _bare(error: MediaError) -> MediaError:
    """Return the same error without its traceback, whose frames would keep the shared memory alive."""
    return type(error)(error.path, error.text)
