# SPDX-License-Identifier: Apache-2.0
"""Score plain numbers (loudness, bandwidth, sharpness, ...) as detectors of forgeries made on the fly from shards.

    python tools/data/shortcut_check.py SHARDS --count 200
    python tools/data/shortcut_check.py SHARDS --count 60 --each

Forged and genuine windows come from the same clips and go through the same augmentation, so every AUC should be near
0.5; one that is far from it is what a network will learn first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path

import numpy as np

from cad.command import run_command
from cad.data.augment import AugmentOptions, augment, shortcut_check
from cad.data.forge import DEFAULT_WEIGHTS, DonorPool, forge, genuine
from cad.data.forge.learned import usable_forgers
from cad.data.records import Clip
from cad.data.shards import ClipStore


def windows(
    clips: list[Clip], pool: DonorPool, weights: Mapping[str, float], options: argparse.Namespace, is_forged: bool
) -> Iterator[Clip]:
    """Yield ``count`` treated windows of one class."""
    plain = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0.0)) if options.no_augment else None
    made = 0
    for number, clip in enumerate(cycle(clips)):
        if made == options.count or number > 20 * options.count:
            return
        # Each clip gives one window of each class, at its own place.
        rng = np.random.default_rng([options.seed, int(is_forged), number])
        slots = min(options.slots, clip.slots)
        labeled = forge(clip, rng, pool, weights, slots) if is_forged else genuine(clip, rng, slots)
        if labeled is not None:
            made += 1
            yield augment(labeled, rng, plain).clip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path, help="folder of shards")
    parser.add_argument("--count", type=int, default=200, help="windows of each class")
    parser.add_argument("--clips", type=int, default=150, help="genuine clips to take them from")
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="every kind by itself, its strongest statistics only")
    parser.add_argument("--no-augment", action="store_true", help="without augmentation, to see what it has to hide")
    options = parser.parse_args()
    return run_command(lambda: check(options), "shortcut_check")


def check(options: argparse.Namespace) -> int:
    """Print every statistic as a detector."""
    store = ClipStore(options.shards)
    rng = np.random.default_rng(options.seed)
    whole = [entry for entry in store if entry.has_frames and entry.has_audio and entry.slots >= 25]
    real = [entry.key for entry in whole if entry.is_genuine]
    clips = [store.read(real[index]) for index in rng.permutation(len(real))[: options.clips]]
    made = [entry.key for entry in store if entry.row.get("audio_fake") == "1" and not entry.has_frames]
    pool = DonorPool(clips, [store.read(made[index]) for index in rng.permutation(len(made))[:100]])
    baseline = list(windows(clips, pool, DEFAULT_WEIGHTS, options, is_forged=False))
    if options.each:
        for name in usable_forgers():
            forged = list(windows(clips, pool, {name: 1.0}, options, is_forged=True))
            best = shortcut_check(forged, baseline)[:3] if forged else ()
            print(f"{name:20s} " + "  ".join(f"{one.name} {one.auc:.2f}" for one in best))
    else:
        for one in shortcut_check(windows(clips, pool, DEFAULT_WEIGHTS, options, is_forged=True), baseline):
            print(f"  {one.name:24s} {one.auc:.3f}  ({one.forged} forged, {one.genuine} genuine)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
