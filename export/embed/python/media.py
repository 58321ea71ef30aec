# SPDX-License-Identifier: Apache-2.0
"""Decoding with PyAV (FFmpeg): pictures and sound of a file with their time stamps, and what kind of file it is.

Media from strangers attacks decoders. A product decodes in a process that may die and may do nothing else (no network,
no files, limited memory and time). This program does not do that for you.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from grid import SAMPLE_RATE, SoundGrid, origin_seconds
from mixing import Mixer

#: No demuxer that opens further files (playlists) or guesses at text.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,flac,mp3,aac,ac3,eac3,aiff,au,"
    "caf,amr,h264,hevc,m4v,av1,obu,ivf,mxf,gif,apng,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
#: By degrees counter-clockwise, as FFmpeg's display matrix states them.
QUARTER_TURNS = {90: 1, 180: 2, 270: 3}


class MediaError(Exception):
    """The file cannot be read."""


class Media:
    """One file: the picture that a player shows and the sound that it plays.

    Attributes:
        kind: ``recording`` (sound alone), ``talking_head`` (video) or ``still`` (one picture).
        fps: Pictures a second by the container, 0 where it does not say.
        origin: Time of slot 0 on the file's clock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as container:
            video, audio = _streams(container)
            if video is None and audio is None:
                raise MediaError(f"{path}: has neither picture nor sound")
            self.has_picture, self.has_sound = video is not None, audio is not None
            self.fps = float(video.average_rate or video.guessed_rate or 0) if video else 0.0
            self.kind = "recording" if video is None else "talking_head"
            if video is not None and (container.format.name.endswith("_pipe") or _is_single(video, audio)):
                self.kind = "still"
        starts = {kind: next(map(_seconds, self._frames(kind)), None) for kind in ("video", "audio")}
        if set(starts.values()) == {None}:
            raise MediaError(f"{path}: nothing of it could be decoded")
        self.origin = origin_seconds(starts["video"], starts["audio"])

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds after the origin, picture uint8 (height, width, 3) RGB, upright, with square pixels)."""
        reformatter = VideoReformatter()
        for frame in self._frames("video"):
            aspect = float(self._aspect or 1)
            width, height = frame.width, frame.height
            if 0.25 <= aspect <= 4 and aspect != 1:  # other values are damage
                width, height = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
            how = "BILINEAR" if (width, height) == (frame.width, frame.height) else "BICUBIC"
            rgb = reformatter.reformat(frame, width=width, height=height, format="rgb24", interpolation=how)
            pixels = np.rot90(rgb.to_ndarray(), QUARTER_TURNS.get(frame.rotation % 360, 0))
            yield _seconds(frame) - self.origin, np.ascontiguousarray(pixels)

    def sound(self, rules: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
        """Return the sound on the grid: samples float32 (slots * 640,) and present bool (slots,)."""
        grid = SoundGrid()
        run: SoundRun | None = None
        for frame in self._frames("audio"):
            seconds, form = _seconds(frame) - self.origin, (frame.format.name, frame.layout.name, frame.sample_rate)
            if run is None or form != run.form or abs(run.expected() - seconds) > rules.audio.stamp_tolerance_seconds:
                channels = tuple(one.name for one in frame.layout.channels)
                mixer = run.mixer if run and run.mixer.channels == channels else Mixer(channels, rules)
                if run is not None:
                    run.end()
                run = SoundRun(grid, seconds, form, mixer)
            run.push(frame)
        if run is not None:
            run.end()
        return grid.end()

    def _frames(self, kind: str) -> Iterator[Any]:
        with _opened(self.path) as container:
            stream = dict(zip(("video", "audio"), _streams(container), strict=True))[kind]
            if stream is not None:
                self._aspect = stream.sample_aspect_ratio if kind == "video" else None
                yield from _decoded(container, stream)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # As a stream of bytes: a name could be an address in a network, or a pattern for many files.
        with path.open("rb") as file:
            is_jpeg = file.read(3) == b"\xff\xd8\xff"  # else FFmpeg may take the film behind a photograph for the file
            file.seek(0)
            how = "jpeg_pipe" if is_jpeg else None
            with av.open(file, format=how, container_options={"format_whitelist": FORMATS}) as container:
                yield container
    except (OSError, av.FFmpegError) as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror or error})") from error


def _streams(container: Any) -> tuple[Any, Any]:
    """Return the picture that a player shows (no cover) and the sound that it plays with it."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    videos = [one for one in container.streams.video if one.codec_context and not one.disposition & covers]
    audios = [one for one in container.streams.audio if one.codec_context]
    video = container.streams.best("video")
    video = video if video in videos else next(iter(videos), None)
    audio = container.streams.best("audio", related=video)
    return video, audio if audio in audios else next(iter(audios), None)


def _is_single(video: Any, audio: Any) -> bool:
    return audio is None and video.frames == 1


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a stream; a packet that does not decode is left out."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _seconds(frame: Any) -> float:
    stamp = frame.dts if frame.pts is None else frame.pts
    return 0.0 if stamp is None else float(stamp * frame.time_base)


class SoundRun:
    """Sound without a gap: placed by its first time stamp, from there on its samples are counted.

    Args:
        grid: Where the samples go.
        seconds: Of its first sample after the origin.
        form: Name of the sample format, name of the layout, rate.
        mixer: Of its channels.
    """

    def __init__(self, grid: SoundGrid, seconds: float, form: tuple[str, str, int], mixer: Mixer) -> None:
        self.grid, self.form, self.mixer, self.start = grid, form, mixer, seconds
        # FFmpeg's own filter: 32 taps, cut-off .97, Kaiser window of beta 9. Rates first, channels later.
        self.resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE)
        self.taken, self.position = 0, round(seconds * SAMPLE_RATE)

    def expected(self) -> float:
        """Return the time of the sample that comes next."""
        return self.start + self.taken / self.form[2]

    def push(self, frame: Any) -> None:
        """Take the next frame."""
        self.taken += frame.samples
        frame.pts = None
        for part in self.resampler.resample(frame):
            self._write(part.to_ndarray().reshape(part.samples, -1))

    def end(self) -> None:
        """Write what is left in the resampler and in the mixer."""
        for part in self.resampler.resample(None):
            self._write(part.to_ndarray().reshape(part.samples, -1))
        self._write(np.zeros((0, len(self.mixer.channels)), np.float32), is_last=True)

    def _write(self, samples: np.ndarray, is_last: bool = False) -> None:
        mono = self.mixer.mix(samples, is_last)
        self.grid.write(self.position, mono)
        self.position += len(mono)
