# SPDX-License-Identifier: Apache-2.0
"""Augmentation by video codecs: a short picture track is encoded and decoded in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ


@dataclass(frozen=True, slots=True)
class VideoCoding:
    """One setting of one encoder.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        decoder: FFmpeg's name of the decoder.
        options: Encoder options.
    """

    encoder: str
    decoder: str
    options: tuple[tuple[str, str], ...]


def draw_video_coding(rng: np.random.Generator) -> VideoCoding:
    """Return a random codec, preset and quality: mostly H.264, which most files have.

    Presets are the fast ones: measured on 50 frames of 192 px and one core, encoding and decoding take 35 to
    47 ms with x264 (ultrafast to veryfast), 26 ms with MPEG-4 and 57 ms with VP9.
    """
    draw = rng.random()
    if draw < 0.62:
        preset = ("ultrafast", "superfast", "superfast", "veryfast")[int(rng.integers(4))]
        crf = str(int(rng.integers(17, 39)))
        # x264's macroblock tree reads memory that nobody has written, on processors with AVX-512 (core 165): the
        # same picture became other bytes in each process.
        return VideoCoding("libx264", "h264", (("preset", preset), ("crf", crf), ("mbtree", "0")))
    if draw < 0.80:
        return with_scale("mpeg4", int(rng.integers(2, 16)))
    if draw < 0.86:
        return with_scale("mpeg1video", int(rng.integers(2, 12)))
    crf = str(int(rng.integers(20, 52)))
    options = (("deadline", "realtime"), ("cpu-used", "8"), ("crf", crf), ("b", "0"), ("lag-in-frames", "0"))
    return VideoCoding("libvpx-vp9", "vp9", options)


def with_scale(codec: str, scale: int) -> VideoCoding:
    """Return an MPEG ``codec`` at FFmpeg's -qscale ``scale``: 2 is the best quality, 31 the worst."""
    # FFmpeg stores -qscale multiplied by FF_QP2LAMBDA (libavutil/avutil.h).
    return VideoCoding(codec, codec, (("flags", "+qscale"), ("global_quality", str(118 * scale))))


def coded_video(frames: NDArray[np.uint8], coding: VideoCoding) -> NDArray[np.uint8]:
    """Return ``frames`` after encoding and decoding.

    Args:
        frames: uint8 (slots, height, width, 3) RGB; height and width even.
        coding: Codec and quality.

    Raises:
        ValueError: A side is odd (4:2:0 chroma has half the lines).
        RuntimeError: The codec did not give every frame back.
    """
    _, height, width, _ = frames.shape
    if height % 2 or width % 2:
        raise ValueError(f"a picture of {width}x{height} px; video codecs need even sides")
    encoder = cast(VideoCodecContext, av.CodecContext.create(coding.encoder, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE_HZ), Fraction(FRAME_RATE_HZ)
    encoder.options = dict(coding.options)
    encoder.thread_count = 1
    given = []
    for slot, frame in enumerate(frames):
        given.append(av.VideoFrame.from_ndarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), format="yuv420p"))
        given[slot].pts = slot
    pictures = coded_frames(given, encoder, av.CodecContext.create(coding.decoder, "r"))
    if len(pictures) != len(frames):
        raise RuntimeError(f"{coding.encoder} gave {len(pictures)} of {len(frames)} frames back")
    out = np.empty_like(frames)
    for slot, picture in enumerate(pictures):  # decoders give frames in presentation order
        out[slot] = cv2.cvtColor(picture.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)
    return out


def coded_frames(frames: Iterable[Any], encoder: Any, decoder: Any) -> list[Any]:
    """Return PyAV's ``frames`` (of a picture or a sound) after an encoder and a decoder that has not been opened."""
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    decoder.thread_count = 1
    return [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
