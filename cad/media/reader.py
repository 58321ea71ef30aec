# SPDX-License-Identifier: Apache-2.0
"""MediaReader gives the detector the sound and picture of a file, decoded in a process that may die without harm."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.closing import Closing
from cad.deadline import Deadline
from cad.errors import (
    DecoderCrashedError,
    MediaError,
    MediaLimitError,
    MediaMemoryError,
    MediaUnreadableError,
    MissingStreamError,
    OptionError,
)
from cad.media.chunks import CHUNK_SLOTS, PictureChunks
from cad.media.coverage import StreamReading, make_report
from cad.media.delivered import DeliveredFrames
from cad.media.input import InputFile, MediaInput, open_input
from cad.media.limits import MediaLimits
from cad.media.messages import MEMORY, Answer, Beat, Done, Failure, Frame, Layout, Progress, Sound, parse_answer
from cad.media.process import WorkerProcess
from cad.media.records import (
    AudioSamples,
    AudioStreamInfo,
    MediaInfo,
    MediaKind,
    ReadReport,
    VideoFrames,
    VideoStreamInfo,
)
from cad.media.ring import block_bytes
from cad.media.tracks import NAMES

Track = TypeVar("Track", VideoStreamInfo, AudioStreamInfo)

_log = logging.getLogger(__name__)

#: What the decoding process may say of a file.
_ERRORS: dict[str, type[MediaError]] = {
    MediaUnreadableError.code: MediaUnreadableError,
    MissingStreamError.code: MissingStreamError,
    MediaLimitError.code: MediaLimitError,
    MEMORY: MediaMemoryError,
}
#: After one of these the decoding process reads no other file: what it did to its memory is not known.
_SUSPECT = (DecoderCrashedError, MediaMemoryError)

#: Samples and presence of some slots.
_SoundBlock = tuple[NDArray[np.float32], NDArray[np.bool_]]


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
    deadline = Deadline(limits.wall_seconds)
    file = open_input(media, limits, name, deadline)
    return MediaReader(file, limits, lambda: WorkerProcess(block_bytes(limits)), WorkerProcess.kill, deadline)


class MediaReader(Closing):
    """One open file; made by open_media or MediaPool.open.

    Opening, sound and picture are each tried once more, in a fresh process, when the decoding process crashes over
    them: it may have been damaged by an earlier file. Only what crashes again is lost.

    Args:
        file: The file, already checked; closed with the reader.
        limits: What it may cost.
        acquire: Gives a decoding process that is ready for a file.
        release: Takes it back.
        deadline: By when everything must have been read, whoever takes the time; what comes later is lost.
    """

    def __init__(
        self,
        file: InputFile,
        limits: MediaLimits,
        acquire: Callable[[], WorkerProcess],
        release: Callable[[WorkerProcess], None],
        deadline: Deadline,
    ) -> None:
        self._file = file
        self._path = file.name
        self._limits = limits
        self._deadline = deadline
        self._acquire = acquire
        self._release = release
        self._worker: WorkerProcess | None = None
        self._idle = True  # the worker waits for a command
        self._has_read_others = False  # the worker has read other files before
        self._crashed = False  # from then on the file gets processes that have read no other
        self._audio: AudioSamples | None = None  # that of the main sound, which is asked for more than once
        self._pictures: dict[int, StreamReading] = {}
        self._sounds: dict[int, StreamReading] = {}
        self._consumed = False
        self._closed = False
        try:
            self._info = self._open_twice()
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> MediaInfo:
        """What the file says of itself; its sha256 and an undeclared duration are filled in once it has been read."""
        info = replace(self._info, sha256=self._sha256())
        if info.duration_seconds > 0 or info.kind is MediaKind.IMAGE:
            return info
        read = [reading.progress.seconds for reading in (*self._pictures.values(), *self._sounds.values())]
        return replace(info, duration_seconds=max(read, default=0.0))

    @property
    def report(self) -> ReadReport:
        """How well the main picture and sound could be read; complete once both have been consumed."""
        return self.report_on(self._main("video"), self._main("audio"))

    def report_on(self, video: int | None, audio: int | None) -> ReadReport:
        """Return how well a picture and a sound could be read, by their numbers; None where there is none."""
        info = replace(self._info, video=_track(self._info.videos, video), audio=_track(self._info.audios, audio))
        return make_report(info, self._pictures.get(video or 0), self._sounds.get(audio or 0))

    def audio(self, number: int | None = None) -> AudioSamples | None:
        """Return a whole sound of the file on the grid, from slot 0, or None where there is none.

        After damage, a crash or a limit midway it is what was read until then; ``report_on`` says so.

        Args:
            number: Which of ``info.audios``; None: ``info.audio``. Only the latter is kept for the next time.

        Raises:
            MediaError: The file has sound alone and nothing of it could be read.
            OptionError: There is no sound of this number.
        """
        if not self._closed:
            self._file.start_hashing()
        number = self._known("audio", number)
        is_main = number == self._main("audio")
        audio = self._audio if is_main else None
        if number is not None and audio is None and not (is_main and number in self._sounds):
            audio = self._read_sound(number)
            self._audio = audio if is_main else self._audio
        self._consumed |= not self._info.videos
        if not self._info.videos and audio is None and (len(self._info.audios) == 1 or self._has_read_nothing()):
            raise self._nothing_read()
        return audio

    def video_chunks(self, number: int | None = None) -> Iterator[VideoFrames]:
        """Yield a picture in order, each slot once, some 25 slots at a time; nothing where there is no picture.

        Whole seconds in which no slot shows anything may be left out. Damage, a crash or a limit midway ends the
        iteration; ``report_on`` says so.

        Args:
            number: Which of ``info.videos``; None: ``info.video``.

        Raises:
            MediaError: Neither picture nor sound could be read.
            OptionError: The picture has been asked for before, or there is none of this number.
        """
        number = self._known("video", number)
        if number is None:
            return
        if number in self._pictures:
            raise OptionError("the picture of a reader can be read once; open the file again")
        if not self._sounds:
            self.audio()
        self._pictures[number] = StreamReading(Progress(), complete=False)
        yield from self._read_picture(number)
        self._consumed = True
        if self._has_read_nothing():
            raise self._nothing_read()

    def close(self) -> None:
        """Give the decoding process back, or end it if it is busy, and close the file."""
        self._closed = True
        self._sha256()  # for those who ask ``info`` later
        self._file.close()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._idle and worker.alive:
            self._release(worker)
        else:
            worker.kill()

    def _sha256(self) -> str:
        """Return the sha256 of the file, for which nobody waits longer than its time; empty until it has been read."""
        over = self._consumed or self._deadline.passed
        return self._file.sha256(self._deadline.left_seconds) if over else ""

    def _open_twice(self) -> MediaInfo:
        try:
            return self._open()
        except _SUSPECT as error:
            if not self._begin_again(error):
                raise
        try:
            return self._open()
        except DecoderCrashedError as error:
            raise _twice(error) from error

    def _open(self) -> MediaInfo:
        command = {"type": "open", "name": str(self._path), "limits": asdict(self._limits_left())}
        for _, answer in self._answers(command, self._file.fd):
            if isinstance(answer, MediaInfo):
                self._idle = True
                return replace(answer, path=str(self._path))
        raise self._nonsense()

    def _limits_left(self) -> MediaLimits:
        """Return the limits with no more time in them than is left, for the kernel to enforce."""
        wall_seconds = max(self._deadline.left_seconds, 0.001)
        cpu_seconds = min(self._limits.cpu_seconds, math.ceil(wall_seconds * self._limits.decoder_threads))
        return replace(self._limits, wall_seconds=wall_seconds, cpu_seconds=cpu_seconds)

    def _main(self, kind: str) -> int | None:
        main = self._info.video if kind == "video" else self._info.audio
        return None if main is None else main.number

    def _known(self, kind: str, number: int | None) -> int | None:
        """Return the number of a track after checking that there is one; None becomes the main one's."""
        if number is None:
            return self._main(kind)
        known = self._info.videos if kind == "video" else self._info.audios
        if number not in [one.number for one in known]:
            raise OptionError(f"{self._path}: there is no {NAMES[kind]} {number}")
        return number

    def _read_sound(self, number: int) -> AudioSamples | None:
        blocks, reading = self._read_sound_once(number)
        if self._begin_again(reading.error):
            first, first_reading = blocks, reading
            blocks, reading = self._read_sound_once(number)
            if isinstance(reading.error, DecoderCrashedError):
                # What both readings agree on is true of the file; the one that came further is kept.
                if len(first) > len(blocks):
                    first, blocks, reading = blocks, first, replace(first_reading, error=reading.error)
                if not all(map(_same_block, first, blocks)):
                    blocks, reading = [], StreamReading(Progress(), complete=False, error=reading.error)
                reading = replace(reading, error=_bare(_twice(reading.error or first_reading.error)))
        audio = AudioSamples(*(np.concatenate(parts) for parts in zip(*blocks, strict=True))) if blocks else None
        self._sounds[number] = replace(reading, slots=0 if audio is None else int(audio.present.sum()))
        return audio

    def _read_sound_once(self, number: int) -> tuple[list[_SoundBlock], StreamReading]:
        blocks: list[_SoundBlock] = []
        progress, problem, next_slot = Progress(), None, 0
        try:
            for progress, answer in self._answers({"type": "audio", "number": number}):  # noqa: B007 - its last value
                if isinstance(answer, Sound) and answer.first_slot == next_slot and answer.slots > 0:
                    blocks.append(self._copy_sound(answer))
                    next_slot += answer.slots
                elif not isinstance(answer, Done):
                    raise self._nonsense()
        except MediaError as error:
            problem = _bare(error)
        return blocks, StreamReading(progress, problem is None, problem)

    def _read_picture(self, number: int) -> Iterator[VideoFrames]:
        delivered = DeliveredFrames()
        chunks = PictureChunks()
        yield from self._read_picture_once(number, chunks, delivered)
        first = self._pictures[number]
        if self._begin_again(first.error):
            delivered.restart()
            yield from self._read_picture_once(number, chunks, delivered)
            second = self._pictures[number]
            if isinstance(second.error, DecoderCrashedError):
                furthest = max(first, second, key=lambda reading: reading.progress.decoded)
                self._pictures[number] = replace(furthest, error=_bare(_twice(second.error)))
        self._pictures[number] = replace(self._pictures[number], slots=chunks.shown)
        yield from chunks.end()

    def _read_picture_once(
        self, number: int, chunks: PictureChunks, delivered: DeliveredFrames
    ) -> Iterator[VideoFrames]:
        progress, problem = Progress(), None
        layout: Layout | None = None
        try:
            for progress, answer in self._answers({"type": "video", "number": number}):
                self._pictures[number] = StreamReading(progress, complete=False)
                if isinstance(answer, Layout):
                    layout = self._checked(answer)
                elif isinstance(answer, Frame) and layout is not None:
                    yield from self._place(chunks, layout, answer, delivered)
                elif not isinstance(answer, Done) or not delivered.caught_up:
                    raise self._nonsense()
        except MediaError as error:
            problem = _bare(error)
        self._pictures[number] = StreamReading(progress, problem is None, problem)

    def _checked(self, layout: Layout) -> Layout:
        is_still = self._info.kind is MediaKind.IMAGE
        if not self._limits.is_handed(layout.width, layout.height, is_still) or layout.file_height < layout.height:
            raise self._nonsense()
        return layout

    def _place(
        self, chunks: PictureChunks, layout: Layout, frame: Frame, delivered: DeliveredFrames
    ) -> Iterator[VideoFrames]:
        pixels = self._view(frame, layout.height * layout.width * 3).reshape(layout.height, layout.width, 3)
        slots_allowed = self._limits.max_duration_seconds * FRAME_RATE_HZ + CHUNK_SLOTS
        if frame.first_slot + frame.missing + frame.count > slots_allowed:
            raise self._nonsense()
        try:
            is_new = delivered.is_new(frame, pixels)
        except ValueError as error:
            raise self._nonsense() from error
        if is_new:
            block = self._open_worker().block
            yield from chunks.add(
                frame.missing,
                pixels,
                frame.count,
                layout.file_height / layout.height,
                copy=lambda target, _: block.copy_out(frame.offset, target),
            )
        self._free(frame)

    def _copy_sound(self, sound: Sound) -> _SoundBlock:
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
        self._open_worker().free(answer.buffer)

    def _answers(self, command: dict[str, Any], fd: int | None = None) -> Iterator[tuple[Progress, Answer]]:
        """Send a command and yield its answers without the signs of life; the last one is a Done or a MediaInfo."""
        self._living_worker(command)
        self._idle = False
        self._open_worker().send(command | {"left_seconds": self._deadline.left_seconds}, fd)
        while True:
            try:
                progress, answer = parse_answer(self._open_worker().receive())
            except (KeyError, TypeError, ValueError) as error:
                raise self._nonsense() from error
            if isinstance(answer, Failure):
                self._idle = True
                failure = _ERRORS.get(answer.code, DecoderCrashedError)(self._path, answer.text)
                if isinstance(failure, _SUSPECT):
                    self._open_worker().kill()
                raise failure
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
            self._worker = WorkerProcess(block_bytes(self._limits)) if self._crashed else self._acquire()
            self._has_read_others = self._worker.files > 0
            self._worker.begin(self._path, self._limits, self._deadline)
            if command["type"] != "open" and self._open() != self._info:
                raise self._nonsense()

    def _begin_again(self, error: MediaError | None) -> bool:
        """Say whether to try once more in a fresh process: after a crash, and where others may have used up memory."""
        crashed = isinstance(error, DecoderCrashedError)
        again = not self._closed and (crashed or (isinstance(error, MediaMemoryError) and self._has_read_others))
        if again and error is not None:
            _log.info("%r: %s; it is tried once more in a fresh process", str(self._path), error.text)
            self._crashed = True
        return again

    def _nonsense(self) -> DecoderCrashedError:
        """End a decoding process that breaks the protocol, for it may have been taken over; return the error."""
        if self._worker is not None:
            self._worker.kill()
        return DecoderCrashedError(self._path, "the decoding process gave an impossible answer and was stopped")

    def _has_read_nothing(self) -> bool:
        """Say whether every picture and sound has been read, and nothing of them decodes."""
        readings = [*self._pictures.values(), *self._sounds.values()]
        there = len(self._info.videos) + len(self._info.audios)
        return len(readings) == there and all(one.progress.decoded == 0 for one in readings)

    def _nothing_read(self) -> MediaError:
        readings = [*self._pictures.values(), *self._sounds.values()]
        errors = [reading.error for reading in readings if reading.error is not None]
        default = MediaUnreadableError(self._path, "nothing of it decodes")
        return min(errors, key=lambda error: not isinstance(error, DecoderCrashedError), default=default)


def _twice(error: MediaError | None) -> DecoderCrashedError:
    """Return the error of a file over which two processes have crashed."""
    assert error is not None
    text = "and again in a fresh process; convert the file with another program, and please report the crash"
    return DecoderCrashedError(error.path, f"{error.text}, {text}")


def _same_block(one: _SoundBlock, other: _SoundBlock) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def _track(tracks: Iterable[Track], number: int | None) -> Track | None:
    """Return the track of a number, None where there is none."""
    return next((one for one in tracks if one.number == number), None)


def _bare(error: MediaError) -> MediaError:
    """Return the same error without its traceback, whose frames would keep the shared memory alive."""
    return type(error)(error.path, error.text)
