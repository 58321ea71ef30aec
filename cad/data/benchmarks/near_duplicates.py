# SPDX-License-Identifier: Apache-2.0
"""``find_near_duplicates`` finds clips that look or sound alike across splits, by perceptual hashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Manifest

Bits = NDArray[np.bool_]

FRAMES = 4
SOUND_STEPS, SOUND_BANDS = 33, 9
SOUND_RATE_HZ = 8_000
#: Different shots differ in about half of the bits; the same one re-encoded in a few.
MAX_SHARE = 0.08
#: Parts of a hash that are looked up exactly; two hashes within the limit agree in at least one of them.
PARTS = 24


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two clips of different splits, the ``medium`` (picture, sound) that is alike and in how many bits it differs."""

    first: str
    second: str
    medium: str
    distance: int
    bits: int


def find_near_duplicates(manifest: Manifest) -> list[NearDuplicate]:
    """Return the pairs of clips in different splits whose picture or sound is nearly the same.

    Files that cannot be read are passed over here; scoring reports them.
    """
    paths, splits = manifest.rows["path"].tolist(), manifest.rows["split"].tolist()
    hashes = [media_hashes(manifest.file(path)) for path in paths]
    found = []
    for medium in ("picture", "sound"):
        bits = {i: pair[medium] for i, pair in enumerate(hashes) if medium in pair}
        for first, second, distance in _close_pairs(bits):
            if splits[first] != splits[second] and splits[first] and splits[second]:
                size = len(bits[first])
                found.append(NearDuplicate(paths[first], paths[second], medium, distance, size))
    return found


def media_hashes(file: Path) -> dict[str, Bits]:
    """Return the perceptual hash of a file's picture and of its sound, where it has them and they are not empty."""
    hashes = {}
    try:
        with av.open(str(file)) as container:
            frames = _few_frames(container) if container.streams.video else []
        if frames:
            hashes["picture"] = np.concatenate([frame_hash(frame) for frame in frames])
        with av.open(str(file)) as container:
            samples = _samples(container) if container.streams.audio else np.zeros(0, dtype=np.float32)
        if len(samples) > SOUND_RATE_HZ // 2 and np.abs(samples).max() > 1e-3:
            hashes["sound"] = sound_hash(samples)
    except (av.FFmpegError, OSError):
        return hashes
    return hashes


def frame_hash(grey: NDArray[np.uint8]) -> Bits:
    """Return 64 bits of a grey frame: is each cell of a 9 x 8 picture darker than its right neighbour.

    Source: the *difference hash*, N. Krawetz, 2013.
    """
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return cast(Bits, (small[:, 1:] > small[:, :-1]).reshape(-1))


def sound_hash(samples: NDArray[np.float32]) -> Bits:
    """Return bits of a sound at 8 kHz: signs of the energy's differences over bands and time.

    Source: Haitsma and Kalker, *A highly robust audio fingerprinting system*, ISMIR 2002, on a fixed number of steps.
    """
    frames = np.array_split(samples, SOUND_STEPS)
    edges = np.geomspace(200, 3600, SOUND_BANDS + 1)
    energy = np.zeros((SOUND_STEPS, SOUND_BANDS))
    for step, frame in enumerate(frames):
        power = np.abs(np.fft.rfft(frame * np.hanning(len(frame)))) ** 2
        places = np.searchsorted(np.fft.rfftfreq(len(frame), 1 / SOUND_RATE_HZ), edges)
        energy[step] = [power[a : max(b, a + 1)].sum() for a, b in pairwise(places)]
    bands = np.diff(np.log(energy + 1e-9), axis=1)
    return cast(Bits, (np.diff(bands, axis=0) > 0).reshape(-1))


def _few_frames(container: av.container.InputContainer) -> list[NDArray[np.uint8]]:
    """Return FRAMES grey frames, evenly spread over the clip."""
    frames = container.decode(video=0)
    grey = [frame.reformat(width=64, height=64, format="gray").to_ndarray() for frame in frames]
    return [grey[round(place)] for place in np.linspace(0, len(grey) - 1, FRAMES)] if grey else []


def _samples(container: av.container.InputContainer) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
    parts = [out.to_ndarray().reshape(-1) for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, dtype=np.float32)


def _close_pairs(hashes: dict[int, Bits]) -> Iterator[tuple[int, int, int]]:
    """Yield pairs within MAX_SHARE of each other, each once.

    Hashes are cut into more parts than such pairs differ in bits, so that each such pair shares a part. Only hashes
    that share one are compared, which keeps the search linear for sets without duplicates.
    """
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for name, bits in hashes.items():
        for number, part in enumerate(np.array_split(bits, PARTS)):
            buckets[number, np.packbits(part).tobytes()].append(name)
    seen: set[tuple[int, int]] = set()
    for members in buckets.values():
        # A part that a large share of all clips have (a black border) tells nothing.
        if len(members) > max(50, len(hashes) // 20):
            continue
        for pair in combinations(members, 2):
            if pair not in seen:
                seen.add(pair)
                distance = int(np.count_nonzero(hashes[pair[0]] != hashes[pair[1]]))
                if distance <= MAX_SHARE * len(hashes[pair[0]]):
                    yield (*pair, distance)
