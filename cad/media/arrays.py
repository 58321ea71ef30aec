# SPDX-License-Identifier: Apache-2.0
"""ArraySource gives the detector frames and samples that the caller has decoded, as MediaReader gives it a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cad.clock import SAMPLE_RATE_HZ
from cad.closing import Closing
from cad.errors import MediaError, MediaUnreadableError, OptionError
from cad.media.chunks import CHUNK_SLOTS, ChunkBuilder
from cad.media.coverage import StreamReading, make_report
from cad.media.grid import PicturePlacer, origin_seconds, period_seconds
from cad.media.limits import MediaLimits
from cad.media.messages import Progress
from cad.media.records import (
    AudioSamples,
    AudioStreamInfo,
    MediaInfo,
    MediaKind,
    ReadReport,
    SoundBlock,
    VideoFrames,
    VideoStreamInfo,
)
from cad.media.resample import resample
from cad.media.slots import Samples, SlotAssembler
from cad.media.stamped import Pixels, Stamped, form_of, stamped_frames


class ArraySource(Closing):
    """One clip given as arrays: time stamps place the frames on the grid, and the sound is resampled on the same clock.

    Only a second of picture is copied at a time, so the arrays must not be written to while they are read.
    A single frame without sound is a still picture.

    Args:
        frames: The picture, uint8 RGB, upright, with square pixels: an array (n, height, width, 3) or a sequence of n
            arrays (height, width, 3), with ``frame_seconds``; or an iterable of (seconds, frame) or (seconds (m,),
            frames (m, height, width, 3)), which is read once and only as far as it is needed. None: no picture.
        frame_seconds: When each frame is shown, (n,), in seconds on any clock, at any rate. May be left out for a
            single frame.
        samples: The sound, float32 in [-1, 1], (n,) or (n, channels); six and eight channels are taken for 5.1 and
            7.1 in FFmpeg's order. None: no sound.
        sample_rate_hz: Rate of ``samples``.
        audio_start_seconds: When ``samples[0]`` is heard, on the clock of ``frame_seconds``.
        fps: The rate that the clip's file declares. It says how far a frame may stand for its neighbours where frames
            are left out. None: the mean rate of all frames, or of the first 25 of an iterable.
        name: What reports call the clip.
        limits: What it may cost (pixels, duration); MediaLimits() if None.

    Raises:
        OptionError: An array is not of the accepted form; the message says what was given.
        MediaLimitError: The clip exceeds a limit.

    Example:
        >>> with ArraySource(np.zeros((50, 8, 8, 3), np.uint8), np.arange(50) / 25) as source:
        ...     [len(chunk.present) for chunk in source.video_chunks()]
        [25, 25]
    """

    def __init__(
        self,
        frames: Pixels | Sequence[Pixels] | Iterable[tuple[ArrayLike, Pixels]] | None = None,
        frame_seconds: ArrayLike | None = None,
        samples: Samples | None = None,
        sample_rate_hz: int | None = None,
        *,
        audio_start_seconds: float = 0.0,
        fps: float | None = None,
        name: str = "<array>",
        limits: MediaLimits | None = None,
    ) -> None:
        if frames is None and samples is None:
            raise OptionError("ArraySource needs frames, samples or both; neither was given")
        if frames is None and frame_seconds is not None:
            raise OptionError("frame_seconds was given without frames")
        if fps is not None and not 0 < fps < np.inf:
            raise OptionError(f"fps must be above 0 and finite, got {fps}; leave it out where it is not known")
        self._name = name
        self._limits = limits or MediaLimits()
        self._samples = samples
        self._audio: AudioSamples | None = None
        self._picture: StreamReading | None = None
        self._sound: StreamReading | None = None
        self._closed = False
        self._stamped: Iterator[Stamped] = iter(())
        video = None if frames is None else self._take_frames(frames, frame_seconds, fps)
        audio = None if samples is None else self._take_samples(samples, sample_rate_hz, audio_start_seconds)
        self._info = self._make_info(video, audio)

    @property
    def info(self) -> MediaInfo:
        """What the arrays hold, without a sha256; the duration of an iterable is known once it has been read."""
        if self._info.video is None or self._info.video.declared_seconds is not None or self._picture is None:
            return self._info
        seconds = max(self._info.duration_seconds, self._picture.progress.seconds)
        return replace(self._info, duration_seconds=seconds)

    @property
    def report(self) -> ReadReport:
        """How much of the arrays was used; complete once sound and picture have been consumed."""
        return make_report(self._info, self._picture, self._sound)

    def report_on(self, video: int | None, audio: int | None) -> ReadReport:
        """Return ``report``: there is at most one picture and one sound."""
        return self.report

    def audio(self, number: int | None = None) -> AudioSamples | None:
        """Return the sound on the grid, from slot 0, or None when none of it lies there.

        Args:
            number: 1, which is the only one, or None.

        Raises:
            MediaUnreadableError: There is no picture and less than half a slot of sound.
            OptionError: The source is closed, or there is no sound of this number.
        """
        self._require_open()
        self._require_only("sound", number)
        if self._audio is None:
            self._audio = AudioSamples.of_blocks(self.sound_blocks())
        return self._audio

    @property
    def reads_again(self) -> bool:
        """True: arrays can be read as often as one likes."""
        return True

    def sound_blocks(self, number: int | None = None) -> Iterator[SoundBlock]:
        """Yield the sound in order, about a second at a time; long stretches without sound are left out.

        Args:
            number: 1, which is the only one, or None.

        Raises:
            MediaUnreadableError: There is no picture and less than half a slot of sound.
            OptionError: The source is closed, or there is no sound of this number.
        """
        self._require_open()
        self._require_only("sound", number)
        audio = self._info.audio
        if audio is None:
            return
        slots = 0
        for block in self._placed_sound(audio):
            slots += int(block.present.sum())
            yield block
            self._require_open()
        self._sound = StreamReading(Progress(1, audio.declared_seconds or 0.0), complete=True, slots=slots)
        if self._info.video is None and not slots:
            raise MediaUnreadableError(self._name, "has less than 20 ms of sound")

    def video_chunks(self, number: int | None = None) -> Iterator[VideoFrames]:
        """Yield the picture in order, each slot once, up to 25 at a time; a limit ends it, and ``report`` says so.

        Args:
            number: 1, which is the only one, or None.

        Raises:
            OptionError: The picture has been asked for before, the source is closed, there is no picture of this
                number, or an iterable gave something that is not accepted.
        """
        self._require_open()
        self._require_only("picture", number)
        if self._info.video is None:
            return
        if self._picture is not None:
            raise OptionError("the picture of a source can be read once; make another ArraySource")
        if self._sound is None:
            for _ in self.sound_blocks():
                pass  # how much there is belongs into the report
        placer = PicturePlacer(
            self._info, self._info.video.fps, self._limits, lambda frame: (frame.shape[1], frame.shape[0])
        )
        stamped = ((seconds - self._info.origin_seconds, frame) for seconds, frame in self._stamped)
        self._picture = StreamReading(Progress(), complete=False)
        builder: ChunkBuilder | None = None
        complete, problem = False, None
        try:
            for placement, frame in placer(stamped):
                self._picture = StreamReading(placer.progress(), complete=False)
                self._require_open()
                pixels = self._handed(frame)
                height, width, _ = pixels.shape
                builder = builder or ChunkBuilder(height, width, frame.shape[0] / height)
                yield from builder.add(placement.missing, pixels, placement.count)
            complete = True
        except MediaError as error:
            problem = error.with_traceback(None)
        finally:
            shown = 0 if builder is None else builder.shown
            self._picture = StreamReading(placer.progress(), complete, problem, shown)
        if builder is not None:
            yield from builder.end()

    def close(self) -> None:
        """Let go of the arrays."""
        self._closed = True
        self._samples, self._audio, self._stamped = None, None, iter(())

    def _take_frames(self, frames: Any, frame_seconds: ArrayLike | None, fps: float | None) -> VideoStreamInfo:
        """Check what can be checked without reading all frames, and return what the picture declares."""
        given, stamped = stamped_frames(frames, frame_seconds)
        ahead = list(islice(stamped, CHUNK_SLOTS))
        if not ahead:
            raise OptionError("frames must hold at least one frame, got none")
        self._stamped = chain(ahead, stamped)
        height, width, _ = ahead[0][1].shape
        self._limits.check_picture(self._name, width, height)
        stamps = np.array([seconds for seconds, _ in ahead]) if given is None else given
        span = float(stamps[-1] - stamps[0])
        rate = fps or ((len(stamps) - 1) / span if span > 0 else 0.0)
        known = given is not None or len(ahead) < CHUNK_SLOTS
        return VideoStreamInfo(
            codec="rawvideo",
            width_px=width,
            height_px=height,
            fps=rate,
            rotation_degrees=0,
            start_seconds=float(stamps[0]),
            declared_frames=len(stamps) if known else None,
            declared_seconds=span + period_seconds(rate) if known else None,
        )

    def _take_samples(self, samples: Any, rate_hz: int | None, start_seconds: float) -> AudioStreamInfo:
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim not in (1, 2):
            raise OptionError(f"samples must be float32 in [-1, 1] of (n,) or (n, channels), got {form_of(samples)}")
        if samples.size == 0:
            raise OptionError(f"samples must hold at least one sample, got {form_of(samples)}")
        if rate_hz is None or isinstance(rate_hz, bool) or rate_hz != int(rate_hz) or rate_hz <= 0:
            raise OptionError(f"sample_rate_hz must be a whole number above 0, got {rate_hz}")
        if not np.isfinite(start_seconds):
            raise OptionError(f"audio_start_seconds must be finite, got {start_seconds}")
        for first in range(0, len(samples), SAMPLE_RATE_HZ):
            finite = np.isfinite(samples[first : first + SAMPLE_RATE_HZ]).reshape(-1)
            if not finite.all():
                raise OptionError(f"samples must be finite, got NaN or infinity within sample {first} and the next")
        return AudioStreamInfo(
            codec="pcm_f32",
            sample_rate_hz=int(rate_hz),
            channels=1 if samples.ndim == 1 else samples.shape[1],
            start_seconds=float(start_seconds),
            declared_seconds=len(samples) / int(rate_hz),
        )

    def _make_info(self, video: VideoStreamInfo | None, audio: AudioStreamInfo | None) -> MediaInfo:
        kind = MediaKind.AUDIO if video is None else MediaKind.VIDEO
        if video is not None and video.declared_frames == 1 and audio is None:
            kind = MediaKind.IMAGE
        origin = origin_seconds(video, audio)
        ends = [s.start_seconds + s.declared_seconds for s in (video, audio) if s is not None and s.declared_seconds]
        seconds = max(ends, default=origin) - origin
        self._limits.check_declared(self._name, seconds)
        return MediaInfo(
            path=self._name,
            kind=kind,
            container="array",
            size_bytes=0,
            duration_seconds=0.0 if kind is MediaKind.IMAGE else seconds,
            origin_seconds=origin,
            video=video,
            audio=audio,
            videos=() if video is None else (video,),
            audios=() if audio is None else (audio,),
        )

    def _placed_sound(self, audio: AudioStreamInfo) -> Iterator[SoundBlock]:
        assert self._samples is not None
        ready: list[SoundBlock] = []
        assembler = SlotAssembler(lambda *block: ready.append(SoundBlock(*block)), CHUNK_SLOTS)
        position = round((audio.start_seconds - self._info.origin_seconds) * SAMPLE_RATE_HZ)
        for samples in resample(self._samples, audio.sample_rate_hz):
            assembler.write(position, samples)
            position += len(samples)
            yield from ready
            ready.clear()
        assembler.close()
        yield from ready

    def _require_only(self, name: str, number: int | None) -> None:
        if number not in (None, 1):
            raise OptionError(f"{self._name}: there is no {name} {number}")

    def _handed(self, frame: Pixels) -> Pixels:
        """Return the frame, scaled down if it is larger than the limits let it be handed over."""
        height, width, _ = frame.shape
        size = self._limits.handed_size(width, height, self._info.kind is MediaKind.IMAGE)
        if size == (width, height):
            return frame
        import cv2  # only here: whoever reads files does without

        smaller: Pixels = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        return smaller

    def _require_open(self) -> None:
        if self._closed:
            raise OptionError(f"{self._name}: the source is closed")
