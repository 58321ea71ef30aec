# SPDX-License-Identifier: Apache-2.0
"""What the writers of extreme files have in common: files that are valid, and whose headers say what nobody expects."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Made:
    """A file that was made.

    Attributes:
        suffix: Of its kind.
        told: What is extreme about it, in a line.
        content: Its bytes.
    """

    suffix: str
    told: str
    content: bytes


#: What makes a file from a generator; its name is the kind of the file.
Recipe = Callable[[Rng], Made]


def number(rng: Rng, low: int, high: int) -> int:
    """Return a whole number from ``low`` to ``high``: an end, one beside it, or any, small ones as often as large."""
    if rng.random() < 0.3:
        return int(rng.choice([low, min(high, low + 1), max(low, high - 1), high]))
    return min(high, max(low, round(math.exp(rng.uniform(math.log(max(1, low)), math.log(max(1, high)))))))


def one_of(rng: Rng, *choices: int) -> int:
    """Return one of these numbers."""
    return int(rng.choice(choices))


def noise(rng: Rng, count: int) -> bytes:
    """Return bytes of no meaning."""
    return rng.integers(0, 256, count, np.uint8).tobytes()


@cache
def packets_of(codec: str, seconds: float = 1.0, rate_hz: int = 48_000) -> tuple[tuple[bytes, ...], bytes]:
    """Return the packets of a sound and its codec's own header (``extradata``)."""
    layout = "stereo" if codec == "vorbis" else "mono"  # FFmpeg's own Vorbis is for two channels, and on trial
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, options={"strict": "-2"})
        wave = 0.2 * np.sin(np.arange(round(seconds * rate_hz)) * 0.06)
        frame = av.AudioFrame.from_ndarray(np.stack([wave] * (1 + (layout == "stereo"))).astype("f4"), "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
        resampler = av.AudioResampler(stream.codec_context.format or "fltp", layout, rate_hz)
        frames = [one for step in (frame, None) for one in resampler.resample(step)]
        packets = [packet for one in (*frames, None) for packet in stream.encode(one)]
        return tuple(bytes(packet) for packet in packets), bytes(stream.codec_context.extradata or b"")


@cache
def pictures_of(codec: str, width: int = 64, height: int = 48, count: int = 8) -> tuple[tuple[bytes, ...], bytes]:
    """Return the packets of some pictures, one a key picture as far as the codec can, and the codec's own header."""
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 1
        packets = []
        for index in range(count):
            grey = np.full((height, width), 40 + 20 * index % 200, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        return tuple(bytes(packet) for packet in packets), bytes(stream.codec_context.extradata or b"")


@cache
def image(suffix: str, width: int = 64, height: int = 48) -> bytes:
    """Return a picture as OpenCV writes it."""
    return cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))[1].tobytes()
