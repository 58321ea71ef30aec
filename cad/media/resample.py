# SPDX-License-Identifier: Apache-2.0
"""resample gives ArraySource the 16 kHz mono sound that the decoding process would have made of the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cad.clock import SAMPLE_RATE_HZ
from cad.media.mixing import MonoMixer, Samples

#: FFmpeg's order of loudspeakers for a sound of more than two channels whose file does not say which they are.
_LAYOUTS = {
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
#: The filter of FFmpeg's resampler. Source: libswresample/options.c, the defaults of filter_size, cutoff, kaiser_beta.
_FILTER_SIZE, _CUTOFF, _KAISER_BETA = 32, 0.97, 9.0
_BLOCK_SAMPLES = 10 * SAMPLE_RATE_HZ


def resample(samples: Samples, rate_hz: int) -> Iterator[Samples]:
    """Yield the sound as mono at 16 kHz, some ten seconds at a time.

    Args:
        samples: float32 (n,) or (n, channels), n > 0.
        rate_hz: Rate of ``samples``.

    Yields:
        float32 (m,); ceil(n * 16000 / rate_hz) samples in all, the first at the time of ``samples[0]``.

    Example:
        >>> [len(block) for block in resample(np.zeros(44_100, np.float32), 44_100)]
        [16000]
    """
    channels = samples[:, None] if samples.ndim == 1 else samples
    count = channels.shape[1]
    mixer = MonoMixer(_LAYOUTS.get(count, ("FL",) * count))
    for block in _at_16_khz(channels, rate_hz):
        mixed = mixer.mix(block)
        if len(mixed):
            yield mixed
    rest = mixer.flush()
    if len(rest):
        yield rest


def _at_16_khz(samples: Samples, rate_hz: int) -> Iterator[Samples]:
    """Yield samples (n, channels) at 16 kHz, float32 (m, channels), some ten seconds at a time."""
    divisor = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    up, down = SAMPLE_RATE_HZ // divisor, rate_hz // divisor
    bank = np.ones((1, 1), np.float32) if up == down else filter_bank(rate_hz)
    taps = bank.shape[1]
    count = -(-len(samples) * up // down)
    step = -(-_BLOCK_SAMPLES // up) * up  # every block begins at the first phase
    for first in range(0, count, step):
        block = np.empty((min(step, count - first), samples.shape[1]), np.float32)
        start = first // up * down - (taps - 1) // 2
        part = _mirrored(samples, start, start + (len(block) - 1) * down // up + taps)
        for channel in range(samples.shape[1]):
            windows = np.lib.stride_tricks.sliding_window_view(part[:, channel], taps)
            for phase in range(min(up, len(block))):
                line = block[phase::up, channel]
                line[:] = windows[phase * down // up :: down][: len(line)] @ bank[phase * down % up]
        yield block


def filter_bank(rate_hz: int) -> Samples:
    """Return the windowed sincs, float32 (phases, taps), that take sound from ``rate_hz`` to 16 kHz.

    Source: FFmpeg libswresample/resample.c, build_filter.
    """
    phases = SAMPLE_RATE_HZ // math.gcd(rate_hz, SAMPLE_RATE_HZ)
    factor = min(SAMPLE_RATE_HZ * _CUTOFF / rate_hz, 1.0)
    taps = math.ceil(_FILTER_SIZE / factor / 2) * 2
    offsets = np.arange(taps) - (taps - 1) // 2 - np.arange(phases)[:, None] / phases
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1 - (2 * offsets / taps) ** 2, 0)))
    bank = np.sinc(offsets * factor) * window
    normalized: Samples = (bank / bank[0].sum()).astype(np.float32)
    return normalized


def _mirrored(samples: Samples, start: int, stop: int) -> Samples:
    """Return samples ``start`` to ``stop``; beyond its ends the sound is mirrored, as in FFmpeg."""
    index = np.abs(np.arange(start, stop))
    index = np.where(index < len(samples), index, 2 * len(samples) - 1 - index)
    part: Samples = samples[np.clip(index, 0, len(samples) - 1)]
    return part
