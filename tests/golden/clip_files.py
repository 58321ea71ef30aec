# SPDX-License-Identifier: Apache-2.0
"""Writing the golden clips: pictures at given times, sound in one piece, in any container that PyAV writes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
FPS = 25
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Codecs:
    """What a clip is encoded with."""

    video: str = "libx264"
    audio: str = "aac"
    crf: int = 26
    audio_bits_per_second: int = 48_000


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    voice: NDArray[np.float32] | None = None,
    times_ms: Sequence[int] | None = None,
    codecs: Codecs = Codecs(),
) -> None:
    """Write a clip.

    Args:
        path: Where to; the name's end says which container.
        frames: uint8 (height, width, 3) RGB each, all of one even size.
        voice: float32 (samples,) at 16 kHz, or None for a clip without sound.
        times_ms: When each picture is shown; at 25 a second if None.
        codecs: What to encode with. One thread encodes, so that the same version writes the same bytes.
    """
    # The encoder writes its time base into the stream, where a reader takes it for the rate: it must be the true one.
    time_base, times = (Fraction(1, FPS), range(len(frames))) if times_ms is None else (MILLISECOND, times_ms)
    with av.open(str(path), "w", options={"fflags": "bitexact"}) as container:
        settings = {"crf": str(codecs.crf), "threads": "1", "b": "0"}
        video = container.add_stream(codecs.video, rate=FPS, options=settings)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = time_base
        audio = None
        if voice is not None:
            audio = container.add_stream(codecs.audio, rate=SAMPLE_RATE_HZ, layout="mono")
            audio.bit_rate = codecs.audio_bits_per_second
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = time, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if voice is not None and audio is not None:
            container.mux(audio.encode(sound_frame(voice)))
            container.mux(audio.encode(None))


def sound_frame(voice: NDArray[np.float32]) -> av.AudioFrame:
    """Return the whole sound as one frame, which the encoder cuts up as it likes."""
    frame = av.AudioFrame.from_ndarray(voice[None], format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    frame.pts, frame.time_base = 0, Fraction(1, SAMPLE_RATE_HZ)
    return frame


def copy_streams(source: Path, target: Path) -> None:
    """Put the same packets into another container; nothing is encoded again."""
    with av.open(str(source)) as given, av.open(str(target), "w", options={"fflags": "bitexact"}) as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


def turn_on_display(path: Path, stored_height_px: int) -> None:
    """Let the first track of an MP4 be shown turned by a quarter, clockwise, by its display matrix.

    Source: ISO/IEC 14496-12, 8.3.2: in a ``tkhd`` box of version 0 the matrix begins 40 bytes after the type.
    """
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4
    assert content[at] == 0, "a tkhd box of version 0"
    one = 1 << 16
    struct.pack_into(">9i", content, at + 40, 0, one, 0, -one, 0, 0, stored_height_px * one, 0, 1 << 30)
    path.write_bytes(content)
