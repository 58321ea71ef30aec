# SPDX-License-Identifier: Apache-2.0
"""Encodes clips for every condition with real encoders: the same writer serves all, so that it explains none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from cad.errors import OptionError
from cad.evaluation.perturb.source import Picture, Sound

TIME_BASE = Fraction(1, 90_000)
VIDEO_ENCODERS = {"h264": "libx264", "h265": "libx265"}
AUDIO_ENCODERS = {"flac": "flac", "aac": "aac", "opus": "libopus", "mp3": "libmp3lame"}
#: Rates that an encoder takes; others are resampled to the nearest one above.
RATES_HZ = {"opus": (8_000, 12_000, 16_000, 24_000, 48_000), "mp3": (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)}
#: MP4 stores how much of a lossy encoder's start is padding; Matroska does so for Opus only.
SUFFIX = {"flac": ".mkv", "opus": ".mkv", "aac": ".mp4", "mp3": ".mp4"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a clip is encoded; by default so finely that the encoding itself changes nothing that matters."""

    video: str = "h264"
    crf: int = 14
    audio: str = "flac"
    bit_rate_bps: int | None = None

    def __post_init__(self) -> None:
        if self.video not in VIDEO_ENCODERS or self.audio not in AUDIO_ENCODERS:
            raise OptionError(
                f"encoders are {sorted(VIDEO_ENCODERS)} and {sorted(AUDIO_ENCODERS)}, got {self.video}, {self.audio}"
            )


def write_clip(
    target: Path, pictures: Iterable[Picture], sound: Sound | None, fps: Fraction | None, encoding: Encoding
) -> Path:
    """Encode a clip and return where it lies.

    Args:
        target: Where, without a suffix; the encoding chooses it.
        pictures: Frames with their time stamps; may be empty.
        sound: None where the clip has none.
        fps: Nominal rate of the frames; None without picture.
        encoding: Of both streams.
    """
    place = target.parent / (target.name + SUFFIX[encoding.audio])
    place.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(place), "w") as container:
        frames = iter(pictures)
        first = next(frames, None)
        video = _video_stream(container, first, fps, encoding) if first is not None and fps is not None else None
        packets = list(_audio_packets(container, sound, encoding)) if sound is not None and len(sound.samples) else []
        if video is not None and first is not None:
            # Sound first in memory (a clip of it is small), then interleaved with the picture by time.
            packets = sorted([*packets, *_video_packets(video, first, frames)], key=_decode_time)
        for packet in packets:
            container.mux(packet)
    return place


def _video_stream(container: Any, first: Picture, fps: Fraction, encoding: Encoding) -> Any:
    options = {"crf": str(encoding.crf), "preset": "veryfast"}
    if encoding.video == "h264":
        options["mbtree"] = "0"  # so that it repeats; see cad.data.augment.video_codec
    if encoding.video == "h265":
        options["x265-params"] = "log-level=error:pools=1:frame-threads=1"
    stream = container.add_stream(VIDEO_ENCODERS[encoding.video], rate=fps, options=options)
    height, width = (size - size % 2 for size in first.pixels.shape[:2])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    stream.codec_context.thread_count = 1
    return stream


def _video_packets(stream: Any, first: Picture, rest: Iterator[Picture]) -> Iterator[Any]:
    last = -1
    for picture in chain([first], rest):
        stamp = round(picture.seconds / TIME_BASE)
        if stamp <= last:
            continue
        last = stamp
        frame = av.VideoFrame.from_ndarray(picture.pixels[: stream.height, : stream.width], format="rgb24")
        frame.pts, frame.time_base = stamp, TIME_BASE
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_packets(container: Any, sound: Sound, encoding: Encoding) -> Iterator[Any]:
    rates = RATES_HZ.get(encoding.audio)
    rate = sound.rate_hz if rates is None else next((r for r in rates if r >= sound.rate_hz), rates[-1])
    stream = container.add_stream(AUDIO_ENCODERS[encoding.audio], rate=rate)
    stream.layout = "mono"
    if encoding.bit_rate_bps is not None:
        stream.bit_rate = encoding.bit_rate_bps
    frame = av.AudioFrame.from_ndarray(np.clip(sound.samples, -1, 1)[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sound.rate_hz, 0, Fraction(1, sound.rate_hz)
    yield from stream.encode(frame)  # which resamples it and parts it into the encoder's frames
    yield from stream.encode(None)


def _decode_time(packet: Any) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float("-inf") if stamp is None else float(stamp * packet.time_base)
