# SPDX-License-Identifier: Apache-2.0
"""From many channels to one in which nothing that any of them holds has gone out.

A weighted sum does for most recordings. It fails where channels cancel each other (one cable of a pair wired the wrong
way round) and where most are dead. So every second of sound is asked for the energy of its mix.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import numpy as np


class Mixer:
    """Mixes the channels of one sound, second by second, as it comes.

    Args:
        channels: FFmpeg's name of each, such as ``FL``.
        rules: Constants of the kit.
    """

    def __init__(self, channels: tuple[str, ...], rules: SimpleNamespace) -> None:
        self.channels, self.rules = channels, rules.mixing
        weights = np.array([self._weight(name) for name in channels], np.float32)
        if weights.sum() <= 0:
            weights[:] = 1
        self.plain = self.weights = weights / weights.sum()
        self.heard = np.zeros(len(channels), bool)
        self.votes: deque[np.ndarray] = deque(maxlen=self.rules.votes)
        self.waiting = np.zeros((0, len(channels)), np.float32)

    def _weight(self, name: str) -> float:
        other = self.rules.other_ambisonic_weight if name.startswith("AMBI") else self.rules.other_channel_weight
        return self.rules.channel_weights.get(name, other)

    def mix(self, samples: np.ndarray, is_last: bool = False) -> np.ndarray:
        """Take the next samples (n, channels) and return those that are mixed by now, (m,); all, if they are the last.

        What was learnt of the channels is kept.
        """
        if len(self.channels) == 1:
            return samples[:, 0]
        joined = np.concatenate([self.waiting, samples])
        block = self.rules.block_samples
        whole = len(joined) // block * block
        blocks = np.split(joined[:whole], whole // block) if whole else []
        self.waiting = joined[whole:]
        if is_last and len(self.waiting):
            blocks.append(self.waiting)
            self.waiting = joined[:0]
        return np.concatenate([np.zeros(0, np.float32), *map(self._mix_block, blocks)])

    def _mix_block(self, samples: np.ndarray) -> np.ndarray:
        samples = np.nan_to_num(samples)
        before, is_first = self.weights, not self.votes
        self.weights = self._decide(samples)
        mono = samples @ self.weights
        if not is_first and not np.array_equal(before, self.weights):
            fade = np.linspace(1, 0, min(self.rules.fade_samples, len(mono)), dtype=np.float32)
            mono[: len(fade)] += fade * (samples[: len(fade)] @ (before - self.weights))
        return mono

    def _decide(self, samples: np.ndarray) -> np.ndarray:
        """Return the weights of these samples, with their signs."""
        rules = self.rules
        if len(samples) < rules.min_vote_samples and self.votes:
            return self.weights
        centred = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
        powers = centred.T @ centred / len(samples)
        loudest = float(powers.diagonal().max())
        if loudest < rules.silent_power:
            return self.weights
        # Channels that have been silent from the beginning have no weight.
        self.heard |= powers.diagonal() > max(rules.silent_power, loudest * rules.cross_talk)
        weights = self.plain * self.heard
        if weights.sum() <= 0:
            weights = self.heard.astype(np.float32)
        weights = weights / weights.sum()
        self.votes.append(powers / np.trace(powers))
        mixed = self._turned(weights, np.mean(self.votes, axis=0))
        if kept_share(mixed, powers) < rules.gone:
            mixed = self._turned(weights, powers)
        # Which of two opposite mixes it is does not matter, only that it stays the same one.
        return -mixed if mixed @ powers @ self.weights < 0 and (mixed < 0).any() else mixed

    def _turned(self, weights: np.ndarray, powers: np.ndarray) -> np.ndarray:
        """Return the weights with such signs that the channels do not cancel each other."""
        if kept_share(weights, powers) >= self.rules.cancelling:
            return weights
        shares = np.outer(weights, weights) * powers
        signs = np.zeros(len(shares), np.float32)
        for channel in np.argsort(-shares.diagonal(), kind="stable"):  # the loudest first
            power = max(0.0, float(signs @ shares @ signs))
            least = self.rules.against * np.sqrt(power * shares[channel, channel])
            signs[channel] = -1 if float(signs @ shares[channel]) < least else 1
        return weights * signs


def kept_share(weights: np.ndarray, powers: np.ndarray) -> float:
    """Return the power of a mix against that of as many channels without relation to each other."""
    return float(weights @ powers @ weights) / max(float(weights**2 @ powers.diagonal()), np.finfo(np.float64).tiny)
