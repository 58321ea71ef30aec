# SPDX-License-Identifier: Apache-2.0
"""MediaReader gives the detector the sound and picture of a file, decoded in a process that may die without harm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.closing import Closing
from cad.deadline import Deadline
from cad.errors import (
    DecoderCrashedError,
    MediaChangedError,
    MediaError,
    MediaLimitError,
    MediaMemoryError,
    MediaUnreadableError,
    MissingStreamError,
    OptionError,
)
from cad.media.chunks import CHUNK_SLOTS, PictureChunks
from cad.media.confinement import check_confined
from cad.media.coverage import StreamReading, make_report
from cad.media.delivered import Delivered, sampled
from cad.media.input import InputFile, MediaInput, open_input
from cad.media.limits import MediaLimits
from cad.media.messages import MEMORY, Answer, Beat, Done, Failure, Frame, Layout, Progress, Sound, parse_answer
from cad.media.process import WorkerProcess
from cad.media.records import (
    AudioSamples,
    AudioStreamInfo,
    MediaInfo,
    MediaKind,
    Outcome,
    ReadReport,
    SoundBlock,
    VideoFrames,
    VideoStreamInfo,
)
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

#: What is said of a file that is not what it was when it was opened.
_CHANGED = (
    "was changed while it was read (written to, replaced, moved or given other rights), so that nobody can say which "
    "bytes were judged; copy it to where nothing touches it, and judge the copy"
)


def open_media(
    media: MediaInput, limits: MediaLimits | None = None, name: str | None = None, require_sandbox: bool = False
) -> MediaReader:
    """Open a media file (video with or without sound, sound alone, a still picture) for reading.

    A process of its own decodes it and ends with the reader; use MediaPool for many files.

    Args:
        media: The path of the file, its bytes, or a binary stream, which is read to its end at once. Bytes and streams
            are kept in anonymous memory (on macOS in a temporary file without a name) until the reader is closed.
        limits: What it may cost; MediaLimits() if None.
        name: What reports and errors call it; None takes the path, ``<bytes>`` or ``<stream>``.
        require_sandbox: Read it only where the kernel confines the decoding process to decoding.

    Returns:
        A reader, to be used as a context manager.

    Raises:
        MediaNotFoundError: There is no such file, or it is a directory.
        MediaUnreadableError: It is no media that the decoder knows, or the stream failed.
        MissingStreamError: It has neither picture nor sound.
        MediaLimitError: It exceeds a limit.
        MediaTimeoutError: Opening it took too long.
        DecoderCrashedError: The decoder died of it.
        UnconfinedError: The system does not confine the decoding process, and ``require_sandbox`` insists.
        OptionError: ``media`` is none of the accepted things, or a text stream.
    """
    limits = limits or MediaLimits()
    deadline = Deadline(limits.wall_seconds)
    file = open_input(media, limits, name, deadline)
    return MediaReader(file, limits, lambda: WorkerProcess(limits), WorkerProcess.kill, deadline, require_sandbox)


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
        require_sandbox: As open_media.
    """

    def __init__(
        self,
        file: InputFile,
        limits: MediaLimits,
        acquire: Callable[[], WorkerProcess],
        release: Callable[[WorkerProcess], None],
        deadline: Deadline,
        require_sandbox: bool = False,
    ) -> None:
        self._file = file
        self._path = file.name
        self._limits = limits
        self._deadline = deadline
        self._acquire = acquire
        self._release = release
        self._require_sandbox = require_sandbox
        self._worker: WorkerProcess | None = None
        self._idle = True  # the worker waits for a command
        self._has_read_others = False  # the worker has read other files before
        self._crashed = False  # from then on the file gets processes that have read no other
        self._audio: AudioSamples | None = None  # that of the main sound, which is asked for more than once
        self._siblings: list[MediaReader] = []  # each reads a sound once more, while this one reads something else
        self._pictures: dict[int, StreamReading] = {}
        self._sounds: dict[int, StreamReading] = {}
        self._consumed = False
        self._closed = False
        try:
            self._info = self._open_twice()
        except MediaError as error:
            self.close()
            raise self._true(error) from error
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
        report = make_report(info, self._pictures.get(video or 0), self._sounds.get(audio or 0))
        if not self._file.has_changed():
            return report
        return replace(report, outcome=Outcome.CHANGED, text=f"it {_CHANGED}")

    def audio(self, number: int | None = None) -> AudioSamples | None:
        """Return a whole sound of the file on the grid, from slot 0, or None where there is none.

        After damage, a crash or a limit midway it is what was read until then; ``report_on`` says so.

        Args:
            number: Which of ``info.audios``; None: ``info.audio``. Only the latter is kept for the next time.

        Raises:
            MediaError: The file has sound alone and nothing of it could be read.
            OptionError: There is no sound of this number.
        """
        number = self._known("audio", number)
        is_main = number == self._main("audio")
        if number is None or (is_main and self._audio is not None):
            return self._audio
        reading = self._sounds.get(number)
        if is_main and reading is not None and not reading.slots and (reading.complete or reading.error):
            self._require_something(number)
            return None
        audio = AudioSamples.of_blocks(self._first_sound(number))
        self._audio = audio if is_main else self._audio
        return audio

    @property
    def reads_again(self) -> bool:
        """Whether ``sound_blocks`` can give a sound a second time, which takes a system that can open a file twice."""
        file = None if self._closed else self._file.reopen()
        if file is not None:
            file.close()
        return file is not None

    def sound_blocks(self, number: int | None = None) -> Iterator[SoundBlock]:
        """Yield a sound in order, some seconds at a time; long stretches without sound are left out.

        Damage, a crash or a limit midway ends the first iteration; ``report_on`` says so. From the second one on the
        sound is decoded once more, in a process of its own, so that it may be read beside a picture.

        Args:
            number: Which of ``info.audios``; None: ``info.audio``.

        Raises:
            MediaError: The file has sound alone and nothing of it could be read; or a later reading was stopped.
            OptionError: There is no sound of this number, or another one is being read for the first time.
        """
        number = self._known("audio", number)
        if number is not None:
            yield from self._sound_again(number) if number in self._sounds else self._first_sound(number)

    def video_chunks(self, number: int | None = None) -> Iterator[VideoFrames]:
        """Yield a picture in order, each slot once, up to 25 slots at a time; nothing where there is no picture.

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
        if not self._closed:
            self._file.start_hashing()
        if not self._sounds:
            for _ in self.sound_blocks():
                pass  # how well it reads belongs into the report
        self._pictures[number] = StreamReading(Progress(), complete=False)
        yield from self._read_picture(number)
        self._consumed = True
        if self._has_read_nothing():
            raise self._true(self._nothing_read())

    def close(self) -> None:
        """Give the decoding process back, or end it if it is busy, and close the file."""
        self._closed = True
        for sibling in self._siblings:
            sibling.close()
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
        """Return the sha256 of the file, for which nobody waits longer than its time.

        Empty until the file has been read, and where it may not be that of the bytes that were read.
        """
        over = self._consumed or self._deadline.passed
        sha256 = self._file.sha256(self._deadline.left_seconds) if over else ""
        return "" if self._file.has_changed() else sha256

    def _true(self, error: MediaError) -> MediaError:
        """Return why nothing could be read: of a file that was changed meanwhile, what was seen of it says little."""
        return MediaChangedError(self._path, _CHANGED) if self._file.has_changed() else error

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
        command = {"type": "open", "name": str(self._path)}
        for _, answer in self._answers(command, self._file.fd):
            if isinstance(answer, MediaInfo):
                self._idle = True
                return replace(answer, path=str(self._path), sandbox=self._open_worker().sandbox)
        raise self._nonsense()

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

    def _first_sound(self, number: int) -> Iterator[SoundBlock]:
        """Read a sound in the reader's own process, and note how that goes."""
        if not self._closed:
            self._file.start_hashing()
        self._sounds[number] = StreamReading(Progress(), complete=False)
        slots = 0
        for block in self._read_sound(number):
            slots += int(block.present.sum())
            yield block
        self._sounds[number] = replace(self._sounds[number], slots=slots)
        self._consumed |= not self._info.videos
        self._require_something(number)

    def _require_something(self, number: int) -> None:
        """Raise the error of a file of sound alone of which nothing could be read, if ``number`` was all it has."""
        is_all = len(self._info.audios) == 1 or self._has_read_nothing()
        if not self._info.videos and not self._sounds[number].slots and is_all:
            raise self._true(self._nothing_read())

    def _read_sound(self, number: int) -> Iterator[SoundBlock]:
        delivered = Delivered()
        yield from self._read_sound_once(number, delivered)
        first = self._sounds[number]
        if self._begin_again(first.error):
            delivered.restart()
            yield from self._read_sound_once(number, delivered)
            self._sounds[number] = _of_two(first, self._sounds[number])

    def _read_sound_once(self, number: int, delivered: Delivered) -> Iterator[SoundBlock]:
        progress, problem = Progress(), None
        try:
            for progress, answer in self._answers({"type": "audio", "number": number}):
                self._sounds[number] = StreamReading(progress, complete=False)
                if isinstance(answer, Sound):
                    yield from self._take_sound(answer, delivered)
                elif not isinstance(answer, Done) or not delivered.caught_up:
                    raise self._nonsense()
        except MediaError as error:
            problem = _bare(error)
        self._sounds[number] = StreamReading(progress, problem is None, problem)

    def _sound_again(self, number: int) -> Iterator[SoundBlock]:
        """Read a sound once more, in a process of its own; raise what stops it."""
        file = None if self._closed else self._file.reopen()
        if file is None:
            why = "the reader is closed" if self._closed else "this system cannot read its sound a second time"
            raise OptionError(f"{self._path}: {why}")
        sibling = MediaReader(file, self._limits, self._acquire, self._release, self._deadline, self._require_sandbox)
        self._siblings.append(sibling)
        try:
            if sibling._info != self._info:
                raise DecoderCrashedError(self._path, "a second reading of its sound finds another file than the first")
            yield from sibling._first_sound(number)
            if (error := sibling._sounds[number].error) is not None:
                raise error
        finally:
            self._siblings.remove(sibling)
            sibling.close()

    def _read_picture(self, number: int) -> Iterator[VideoFrames]:
        delivered = Delivered()
        chunks = PictureChunks()
        yield from self._read_picture_once(number, chunks, delivered)
        first = self._pictures[number]
        if self._begin_again(first.error):
            delivered.restart()
            yield from self._read_picture_once(number, chunks, delivered)
            self._pictures[number] = _of_two(first, self._pictures[number])
        self._pictures[number] = replace(self._pictures[number], slots=chunks.shown)
        yield from chunks.end()

    def _read_picture_once(self, number: int, chunks: PictureChunks, delivered: Delivered) -> Iterator[VideoFrames]:
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
        self, chunks: PictureChunks, layout: Layout, frame: Frame, delivered: Delivered
    ) -> Iterator[VideoFrames]:
        pixels = self._view(frame, layout.height * layout.width * 3).reshape(layout.height, layout.width, 3)
        slots_allowed = self._limits.max_duration_seconds * FRAME_RATE_HZ + CHUNK_SLOTS
        if frame.first_slot + frame.missing + frame.count > slots_allowed:
            raise self._nonsense()
        try:
            is_new = delivered.is_new(frame, sampled(pixels))
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

    def _take_sound(self, sound: Sound, delivered: Delivered) -> Iterator[SoundBlock]:
        """Yield the block that an answer points at, unless an earlier reading has given it."""
        first_slot = sound.first_slot + sound.missing
        if sound.count < 1 or first_slot + sound.count > self._limits.max_sound_slots:
            raise self._nonsense()
        sample_bytes = sound.count * SAMPLES_PER_FRAME * 4
        data = self._view(sound, sample_bytes + sound.count).tobytes()
        self._free(sound)
        try:
            is_new = delivered.is_new(sound, data)
        except ValueError as error:
            raise self._nonsense() from error
        if is_new:
            samples = np.frombuffer(data, np.float32, sound.count * SAMPLES_PER_FRAME)
            yield SoundBlock(first_slot, samples, np.frombuffer(data, np.uint8, offset=sample_bytes) != 0)

    def _view(self, answer: Frame | Sound, size_bytes: int) -> NDArray[np.uint8]:
        """Return the shared bytes that an answer points at, after checking that they are there."""
        block = self._open_worker().block
        if not 0 <= answer.offset <= block.size_bytes - size_bytes:
            raise self._nonsense()
        return np.frombuffer(block.memory, np.uint8, size_bytes, answer.offset)

    def _free(self, answer: Frame | Sound) -> None:
        self._open_worker().free(answer.buffer)

    def _answers(self, command: dict[str, Any], fd: int | None = None) -> Iterator[tuple[Progress, Answer]]:
        """Send a command and yield its answers without the signs of life; the last one is a Done or a MediaInfo.

        A process whose answers are not taken to the end is ended.
        """
        self._living_worker(command)
        worker = self._open_worker()
        self._idle = False
        try:
            worker.send(command | {"left_seconds": self._deadline.left_seconds}, fd)
            yield from self._received()
        finally:
            if not self._idle:
                worker.kill()

    def _received(self) -> Iterator[tuple[Progress, Answer]]:
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
        if self._worker is not None and self._worker.alive and not self._idle:
            raise OptionError(f"{self._path}: something of it is being read; read that to its end first")
        if self._worker is None or not self._worker.alive:
            if self._worker is not None:
                self._worker.kill()
            self._worker = WorkerProcess(self._limits) if self._crashed else self._acquire()
            self._idle = True
            self._has_read_others = self._worker.files > 0
            self._worker.begin(self._path, self._deadline)
            check_confined(self._path, self._worker.sandbox, self._require_sandbox)
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


def _of_two(first: StreamReading, second: StreamReading) -> StreamReading:
    """Return what is said of a stream after a second try: of two that crashed it is the one that came further."""
    if not isinstance(second.error, DecoderCrashedError):
        return second
    furthest = max(first, second, key=lambda reading: reading.progress.decoded)
    return replace(furthest, error=_bare(_twice(second.error)))


def _track(tracks: Iterable[Track], number: int | None) -> Track | None:
    """Return the track of a number, None where there is none."""
    return next((one for one in tracks if one.number == number), None)


def _bare(error: MediaError) -> MediaError:
    """Return the same error without its traceback, whose frames would keep the shared memory alive."""
    return type(error)(error.path, error.text)
