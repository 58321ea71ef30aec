# SPDX-License-Identifier: Apache-2.0
"""Augmentation by audio codecs: sound is coded in memory and the codec's delay taken out, so that synchrony holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import correlate

from cad.clock import SAMPLE_RATE_HZ
from cad.data.augment.video_codec import coded_frames
from cad.resampling import of_length, resampled


@dataclass(frozen=True, slots=True)
class AudioCoding:
    """One setting of one encoder.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        decoder: FFmpeg's name of the decoder.
        sample_format: What the encoder wants: ``fltp``, ``flt`` or ``s16``.
        rate_hz: Sampling rate of the coded stream.
        bits_per_second: Bit rate; None where the codec has only one.
    """

    encoder: str
    decoder: str
    sample_format: str
    rate_hz: int
    bits_per_second: int | None


def draw_audio_coding(rng: np.random.Generator) -> AudioCoding:
    """Return a random codec, rate and bit rate: mostly AAC, MP3 and Opus, sometimes telephony."""
    draw = rng.random()
    if draw < 0.35:
        rate = int(rng.choice((16_000, 22_050, 24_000, 32_000, 44_100, 48_000)))
        return AudioCoding("aac", "aac", "fltp", rate, _bits(rng, 20_000, 128_000, rate))
    if draw < 0.62:
        rate = int(rng.choice((16_000, 22_050, 24_000, 44_100)))
        return AudioCoding("libmp3lame", "mp3float", "fltp", rate, _bits(rng, 24_000, 128_000, rate))
    if draw < 0.84:
        rate = int(rng.choice((16_000, 24_000, 48_000)))
        return AudioCoding("libopus", "opus", "flt", rate, _bits(rng, 10_000, 64_000, rate))
    if draw < 0.92:
        return AudioCoding("ac3", "ac3", "fltp", 48_000, _bits(rng, 48_000, 128_000, 48_000))
    if draw < 0.96:
        law = str(rng.choice(("pcm_mulaw", "pcm_alaw")))
        return AudioCoding(law, law, "s16", 8_000, None)
    return AudioCoding("g722", "g722", "s16", 16_000, 64_000)


def coded_audio(audio: NDArray[np.float32], coding: AudioCoding) -> NDArray[np.float32]:
    """Return ``audio`` float32 (samples,) at 16 kHz after the codec: same length, in time to within 1 ms."""
    delay = _delay_samples(replace(coding, bits_per_second=64_000 if coding.bits_per_second else None))
    at_rate = resampled(audio, SAMPLE_RATE_HZ, coding.rate_hz)
    decoded = _round_trip(at_rate, coding)[delay:]
    return of_length(resampled(decoded, coding.rate_hz, SAMPLE_RATE_HZ), len(audio))


@lru_cache(maxsize=64)
def _delay_samples(coding: AudioCoding) -> int:
    """Return by how many samples at its own rate the codec's output lags, measured once on band-limited noise.

    No table would do: whether the decoder itself drops the priming samples differs between codecs and between
    versions of FFmpeg.
    """
    rate_hz = coding.rate_hz
    spectrum = rfft(np.random.default_rng(0).standard_normal(rate_hz).astype(np.float32))
    spectrum[:200] = spectrum[3001:] = 0  # a second long, so that the bins are 1 Hz wide
    probe = irfft(spectrum, rate_hz).astype(np.float32)
    probe *= np.float32(0.1 / probe.std())
    likeness = correlate(_round_trip(probe, coding), probe, method="fft")[len(probe) - 1 :]
    return int(np.argmax(likeness[: rate_hz // 4]))


def _round_trip(audio: NDArray[np.float32], coding: AudioCoding) -> NDArray[np.float32]:
    encoder = cast(AudioCodecContext, av.CodecContext.create(coding.encoder, "w"))
    encoder.sample_rate, encoder.layout, encoder.format = coding.rate_hz, "mono", coding.sample_format
    encoder.time_base = Fraction(1, coding.rate_hz)
    if coding.bits_per_second:
        encoder.bit_rate = coding.bits_per_second
    if coding.encoder == "libmp3lame":
        encoder.options = {"compression_level": "9"}  # the fast search; the traces are the same kind
    encoder.thread_count = 1
    encoder.open()
    block = encoder.frame_size or 1024
    # Room behind the end for what the codec's delay pushes out.
    padded = np.concatenate([audio, np.zeros((-len(audio)) % block + 4 * block, dtype=np.float32)])
    if coding.sample_format == "s16":
        padded = (np.clip(padded, -1, 1) * 32767).astype(np.int16)
    given = []
    for start in range(0, len(padded), block):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + block], coding.sample_format, "mono")
        frame.sample_rate, frame.pts = coding.rate_hz, start
        given.append(frame)
    decoder = cast(AudioCodecContext, av.CodecContext.create(coding.decoder, "r"))
    decoder.sample_rate, decoder.layout = coding.rate_hz, "mono"
    frames = coded_frames(given, encoder, decoder)
    pieces = [frame.to_ndarray().reshape(-1) for frame in frames]
    sound = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    if sound.dtype == np.int16:
        sound = sound.astype(np.float32) / 32768
    rate = frames[0].sample_rate if frames else coding.rate_hz
    return resampled(sound.astype(np.float32), rate, coding.rate_hz)


def _bits(rng: np.random.Generator, low: int, high: int, rate_hz: int) -> int:
    drawn = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return int(min(drawn, 6 * rate_hz) // 1000 * 1000)
