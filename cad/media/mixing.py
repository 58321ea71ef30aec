# SPDX-License-Identifier: Apache-2.0
"""MonoMixer gives whoever reads sound one channel of many, in which nothing that any of them holds has gone out.

A plain sum does that for most recordings. It fails where channels cancel each other (one cable of a pair is wired the
wrong way round: left plus right is silence) and where most of them are dead (a voice on one of sixteen tracks comes out
24 dB too low). So every second of sound is asked for the energy of its mix against that of its channels.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
#: How often the mix is decided anew, and how many decisions of the past have a say: one loud second of ambience in
#: opposite phase does not turn the mix over, and the first second of a file is decided by itself.
BLOCK_SAMPLES = SAMPLE_RATE_HZ
VOTES = 5
#: A shorter piece of sound decides nothing, unless it is all that there is.
MIN_VOTE_SAMPLES = SAMPLE_RATE_HZ // 4
#: Mean square under which a channel is silent (-70 dB: dither and the noise of a converter lie below),
SILENT_POWER = 1e-7
#: and its share of the loudest channel's power under which it has nothing but that one's cross-talk (-40 dB).
CROSS_TALK = 1e-4
#: A mix with less than this share of the power that channels without relation would add up to is cancelling: for two
#: channels of equal power, a correlation below -0.5. Wide stereo of music and rooms seldom falls below -0.3.
CANCELLING = 0.5
#: With less than this share the second at hand is lost, whatever those before it say.
GONE = 0.1
#: Only a channel that is this much against those before it (a correlation) is turned over.
AGAINST = -0.25
#: A mix that changes goes over into the new one for so long (20 ms), without a click.
FADE_SAMPLES = 320
#: Weights of loudspeaker positions in the mono mix, before they are divided by their sum.
#: Source: ITU-R BS.775 (centre 1, front 0.7071, surround 0.5, low frequency left out). Of a sound field (ambisonic)
#: the first channel is what a microphone without direction hears; the others take both signs.
_CHANNEL_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0, "AMBI0": 1.0}
_OTHER_CHANNEL_WEIGHT = 0.5
_OTHER_AMBISONIC_WEIGHT = 0.0


def mono_weights(channels: tuple[str, ...]) -> Samples:
    """Return the weights (channels,) of a mono mix; they sum to 1, so that identical channels keep their level.

    Example:
        >>> mono_weights(("FL", "FR")).tolist()
        [0.5, 0.5]
    """
    weights = np.array([_weight(name) for name in channels], np.float32)
    if weights.sum() <= 0:
        weights[:] = 1.0
    normalized: Samples = weights / weights.sum()
    return normalized


def _weight(channel: str) -> float:
    other = _OTHER_AMBISONIC_WEIGHT if channel.startswith("AMBI") else _OTHER_CHANNEL_WEIGHT
    return _CHANNEL_WEIGHTS.get(channel, other)


class MonoMixer:
    """Mixes the channels of one sound, second by second, as it comes.

    Channels that have been silent from the beginning have no weight, and channels that cancel others are turned over.
    As long as neither is found the mix is that of ``mono_weights``.

    Args:
        channels: FFmpeg's name of each, such as ``FL``.

    Example:
        >>> left = np.sin(np.arange(16_000) / 5).astype(np.float32)
        >>> mixer = MonoMixer(("FL", "FR"))
        >>> mono = np.concatenate([mixer.mix(np.stack([left, -left], axis=1)), mixer.flush()])
        >>> bool(np.allclose(mono, left, atol=1e-6))
        True
    """

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels
        self._plain = mono_weights(channels)
        self._weights = self._plain
        self._heard = np.zeros(len(channels), np.bool_)
        self._votes: deque[NDArray[np.float64]] = deque(maxlen=VOTES)
        self._waiting: list[Samples] = []
        self._waiting_samples = 0

    def mix(self, samples: Samples) -> Samples:
        """Take the next samples (n, channels) and return those that are mixed by now, (m,); the rest comes later."""
        if len(self.channels) == 1:
            return samples[:, 0]
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples < BLOCK_SAMPLES:
            return np.zeros(0, np.float32)
        whole = self._waiting_samples // BLOCK_SAMPLES * BLOCK_SAMPLES
        joined = np.concatenate(self._waiting)
        self._waiting, self._waiting_samples = [joined[whole:]], len(joined) - whole
        return np.concatenate([self._mix_block(block) for block in np.split(joined[:whole], whole // BLOCK_SAMPLES)])

    def flush(self) -> Samples:
        """Return what waits to be mixed, (m,); what was learnt of the channels is kept."""
        waiting, self._waiting, self._waiting_samples = self._waiting, [], 0
        if not any(len(part) for part in waiting):
            return np.zeros(0, np.float32)
        return self._mix_block(np.concatenate(waiting))

    def _mix_block(self, samples: Samples) -> Samples:
        samples = np.nan_to_num(samples)
        before, is_first = self._weights, not self._votes
        self._weights = self._decide(samples)
        mono: Samples = samples @ self._weights
        if not is_first and not np.array_equal(before, self._weights):
            fade = np.linspace(1, 0, min(FADE_SAMPLES, len(mono)), dtype=np.float32)
            mono[: len(fade)] += fade * (samples[: len(fade)] @ (before - self._weights))
        return mono

    def _decide(self, samples: Samples) -> Samples:
        """Return the weights (channels,) of these samples, with their signs."""
        if len(samples) < MIN_VOTE_SAMPLES and self._votes:
            return self._weights
        centred = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
        powers = centred.T @ centred / len(samples)
        loudest = float(powers.diagonal().max())
        if loudest < SILENT_POWER:
            return self._weights
        self._heard |= powers.diagonal() > max(SILENT_POWER, loudest * CROSS_TALK)
        weights = self._plain * self._heard
        if weights.sum() <= 0:  # nothing but low frequency, so named, is heard
            weights = self._heard.astype(np.float32)
        weights = weights / weights.sum()
        self._votes.append(powers / np.trace(powers))
        mixed = _turned(weights, np.mean(self._votes, axis=0))
        if _kept_share(mixed, powers) < GONE:
            mixed = _turned(weights, powers)
        # Which of two opposite mixes it is does not matter, only that it stays the same one.
        return -mixed if mixed @ powers @ self._weights < 0 and (mixed < 0).any() else mixed


def _turned(weights: Samples, powers: NDArray[np.float64]) -> Samples:
    """Return the weights (channels,) with such signs that the channels do not cancel each other.

    Args:
        weights: Of each channel, none below 0.
        powers: Of the channels with each other (channels, channels), in any unit.
    """
    if _kept_share(weights, powers) >= CANCELLING:
        return weights
    shares = np.outer(weights, weights) * powers
    signs = np.zeros(len(shares), np.float32)
    for channel in np.argsort(-shares.diagonal(), kind="stable"):  # the loudest first
        power = max(0.0, float(signs @ shares @ signs))
        against = float(signs @ shares[channel]) < AGAINST * np.sqrt(power * shares[channel, channel])
        signs[channel] = -1.0 if against else 1.0
    turned: Samples = weights * signs
    return turned


def _kept_share(weights: Samples, powers: NDArray[np.float64]) -> float:
    """Return the power of a mix against that of as many channels without relation to each other."""
    return float(weights @ powers @ weights) / max(float(weights**2 @ powers.diagonal()), np.finfo(np.float64).tiny)
