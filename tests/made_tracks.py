# SPDX-License-Identifier: Apache-2.0
"""Media files with several pictures and sounds, and sounds of many channels, that the tests make for themselves."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from made_media import DARK, RATE_HZ

#: FFmpeg's layouts by their number of channels, where there is a usual one.
LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True)
class Picture:
    """A picture of one colour."""

    colour: tuple[int, int, int] = DARK
    is_default: bool = False
    start_seconds: float = 0.0
    seconds: float = 2.0


@dataclass(frozen=True, eq=False)
class Voice:
    """A sound, float32 (samples,) or (samples, channels) at 16 kHz."""

    samples: np.ndarray
    is_default: bool = False
    start_seconds: float = 0.0
    language: str = ""
    title: str = ""


def write_tracks(path: Path, tracks: Sequence[Picture | Voice], codec: str = "pcm_s16le", fps: int = 25) -> Path:
    """Write the tracks in this order, interleaved by time."""
    with av.open(str(path), "w") as container:
        packets = []
        for track in tracks:
            if isinstance(track, Picture):
                stream, frames = _picture(container, track, fps)
            else:
                stream, frames = _voice(container, track, codec)
            flags = type(stream.disposition)
            stream.disposition = flags.default if track.is_default else flags(0)
            packets.append((stream, frames))
        encoded = [packet for stream, frames in packets for frame in (*frames, None) for packet in stream.encode(frame)]
        for packet in sorted(encoded, key=lambda one: float((one.dts or 0) * one.time_base)):
            container.mux(packet)
    return path


def _picture(container, track: Picture, fps: int):
    stream = container.add_stream("mpeg4", rate=fps)
    stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
    picture = np.empty((120, 160, 3), np.uint8)
    picture[:] = track.colour
    first = round(track.start_seconds * fps)
    frames = []
    for index in range(round(track.seconds * fps)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = first + index, Fraction(1, fps)
        frames.append(frame)
    return stream, frames


def _voice(container, track: Voice, codec: str):
    channels = 1 if track.samples.ndim == 1 else track.samples.shape[1]
    rate_hz = 48_000 if codec == "libopus" else RATE_HZ
    stream = container.add_stream(codec, rate=rate_hz, layout=LAYOUTS[channels])
    for name in ("language", "title"):
        if getattr(track, name):
            stream.metadata[name] = getattr(track, name)
    samples = np.repeat(track.samples, rate_hz // RATE_HZ, axis=0).reshape(-1, channels)
    frames = []
    for first in range(0, len(samples), rate_hz // 10):
        part = np.ascontiguousarray(samples[first : first + rate_hz // 10].reshape(1, -1), np.float32)
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=LAYOUTS[channels])
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = first + round(track.start_seconds * rate_hz)
        frames.append(frame)
    return stream, frames


def write_caf(path: Path, samples: np.ndarray, labels: Sequence[int], rate_hz: int = RATE_HZ) -> Path:
    """Write 16-bit PCM (samples, channels); the labels are those of the Core Audio Format (1 is left, 3 centre)."""
    channels = samples.shape[1]

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack(">q", len(body)) + body

    about = struct.pack(">d4sIIIII", rate_hz, b"lpcm", 2, 2 * channels, 1, channels, 16)
    layout = struct.pack(">III", 0, 0, channels) + b"".join(struct.pack(">II3f", one, 0, 0, 0, 0) for one in labels)
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    chunks = chunk(b"desc", about) + chunk(b"chan", layout) + chunk(b"data", bytes(4) + pcm)
    path.write_bytes(b"caff" + struct.pack(">HH", 1, 0) + chunks)
    return path
