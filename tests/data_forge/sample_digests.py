# SPDX-License-Identifier: Apache-2.0
"""Prints the digest of every forged and augmented sample: ``python sample_digests.py DRAWS forwards|backwards``."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator

import cv2
import numpy as np
from made_clips import made_clip
from numpy.typing import NDArray

from cad.data.augment import AugmentOptions, augment_clip
from cad.data.augment.audio_codec import AudioCoding, coded_audio, draw_audio_coding
from cad.data.augment.video_codec import VideoCoding, coded_video, draw_video_coding
from cad.data.forge import DonorPool, forge, genuine
from cad.data.forge.registry import forger_names

OFTEN = AugmentOptions(video_codec=1.0, second_video_codec=0.3, audio_codec=1.0)


def digest(*arrays: NDArray[np.generic] | None) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays if array is not None)).hexdigest()[:16]


def settings() -> Iterator[tuple[str, VideoCoding | AudioCoding]]:
    """Every encoder with every preset, twice each with other qualities."""
    seen: dict[str, int] = {}
    for seed in range(400):
        rng = np.random.default_rng([1, seed])
        for coding in (draw_video_coding(rng), draw_audio_coding(rng)):
            kind = dict(coding.options).get("preset", "") if isinstance(coding, VideoCoding) else coding.rate_hz
            name = f"{coding.encoder} {kind}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] <= 2:
                yield f"{name} #{seen[name]}", coding


def digests(draws: int, backwards: bool) -> dict[str, str]:
    cv2.setNumThreads(1)
    clip = made_clip(60, seed=3)
    assert clip.frames is not None and clip.audio is not None
    noisy = clip.frames + np.random.default_rng(0).integers(0, 9, clip.frames.shape, np.uint8)
    work = {}
    for name, coding in settings():
        if isinstance(coding, VideoCoding):
            work[name] = lambda coding=coding: digest(coded_video(noisy[:20], coding))
        else:
            work[name] = lambda coding=coding: digest(coded_audio(clip.audio, coding))
    donors = DonorPool([made_clip(80, seed=9, identity="ben", key="donor")])
    kinds = sorted(forger_names())
    for number in range(draws):
        kind = kinds[number % len(kinds)]

        def sample(number: int = number, kind: str = kind) -> str:
            rng = np.random.default_rng([2, number])
            if number % 4:
                made = forge(made_clip(80, seed=number % 5), rng, donors, {kind: 1.0}, slots=40)
            else:
                made = genuine(made_clip(80, seed=number % 5), rng, 40)
            if made is None:  # this clip does not allow this kind
                return "none"
            shown = augment_clip(made.clip, rng, OFTEN)
            return digest(shown.frames, shown.audio, shown.points_px, made.video_fake, made.audio_fake, made.sync_fake)

        work[f"sample {number} {kind}"] = sample
    names = list(work)
    return {name: work[name]() for name in (reversed(names) if backwards else names)}


if __name__ == "__main__":
    print(json.dumps(digests(int(sys.argv[1]), sys.argv[2] == "backwards")))
