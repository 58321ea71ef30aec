# SPDX-License-Identifier: Apache-2.0
"""How much speech the speech detector keeps, what it lets through, and its cost (`tools/bench.py speech`).

Made sounds without a voice always take part, and voices over them if there is a manifest: of each source, method and
label of its split at most --most rows. --folder adds recordings of one's own that hold no voice. Speech is kept if at
least four fifths of the slots stay that the level alone takes for speech; a sound without a voice is let through if
half a second of it counts.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.data.made_sounds import KINDS
from cad.data.manifest import Row, read_manifest
from cad.errors import MediaError
from cad.loudness import rms, slot_levels_dbfs
from cad.media.pool import MediaPool
from cad.media.records import AudioSamples
from cad.speech import find_moving, find_speech

SEEDS = 12
SECONDS = 6.0
BEDS = ("chord pad", "arpeggio", "pop", "applause")
BELOW_DB = (5, 10, 20)
MIN_KEPT = 0.8
LEAST_SLOTS = FRAME_RATE_HZ // 2
LONGEST_SLOTS = 10 * FRAME_RATE_HZ
#: Share of clips of speech that may be lost, the issue's own bar.
MAX_LOST = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, default=None, help="clips with speech")
    parser.add_argument("--split", default=None, help="only these rows of the manifest")
    parser.add_argument("--most", type=int, default=4, help="rows of one source, method and label")
    parser.add_argument("--folder", type=Path, default=None, help="sounds without a voice, the kind before the first -")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return how many of how many were kept and let through, by kind, and the seconds that a minute of sound costs."""
    through: dict[str, list[bool]] = defaultdict(list)
    kept: dict[str, list[bool]] = defaultdict(list)
    cost = Cost()
    by_level: list[bool] = []
    for name, sound in no_voices(args.folder):
        through[name].append(int(cost.find(sound).sum()) >= LEAST_SLOTS)
        by_level.append(int(moving(sound).sum()) >= LEAST_SLOTS)
    for index, (row, sound) in enumerate(voices(args)):
        before = int(moving(sound).sum())
        if before < LEAST_SLOTS:
            continue
        mixed = {f"{'forged' if row.audio_fake else 'genuine'} speech": sound}
        for below_db in BELOW_DB:
            bed = BEDS[index % len(BEDS)]
            mixed[f"over music or applause, -{below_db} dB"] = over(sound, bed, below_db, index)
        for name, heard in mixed.items():
            kept[name].append(bool(cost.find(heard).sum() >= MIN_KEPT * before))
    figures = {name: [sum(those), len(those)] for name, those in kept.items()}
    return {
        "kept": figures,
        "let_through": {name: [sum(those), len(those)] for name, those in sorted(through.items())},
        "let_through_by_the_level_alone": [sum(by_level), len(by_level)],
        "cpu_seconds_a_minute": 60 * cost.cpu_seconds / max(cost.sound_seconds, 1e-9),
        "ok": all(kept >= (1 - MAX_LOST) * count for name, (kept, count) in figures.items() if "speech" in name),
    }


class Cost:
    """Finds speech, and counts what that costs."""

    def __init__(self) -> None:
        self.cpu_seconds = self.sound_seconds = 0.0

    def find(self, sound: AudioSamples) -> np.ndarray:
        start = time.process_time()
        found = find_speech(sound)
        self.cpu_seconds += time.process_time() - start
        self.sound_seconds += len(sound.present) / FRAME_RATE_HZ
        return found


def moving(sound: AudioSamples) -> np.ndarray:
    """Return what the level alone takes for speech."""
    level = slot_levels_dbfs(sound.samples, without_offset=True)
    return find_moving(sound.present, level, float(np.percentile(level[sound.present], 95)))


def over(sound: AudioSamples, bed: str, below_db: float, seed: int) -> AudioSamples:
    """Return ``sound`` with a made one so many dB below it."""
    made = KINDS[bed](np.random.default_rng(seed), len(sound.samples) / 16_000)[: len(sound.samples)]
    made = np.pad(made, (0, len(sound.samples) - len(made)))
    gain = rms(sound.samples) / max(rms(made), 1e-9) * 10 ** (-below_db / 20)
    return AudioSamples((sound.samples + gain * made).astype(np.float32), sound.present)


def no_voices(folder: Path | None) -> Iterator[tuple[str, AudioSamples]]:
    for index, (name, make) in enumerate(KINDS.items()):
        for seed in range(SEEDS):
            samples = make(np.random.default_rng(1000 * index + seed), SECONDS)
            yield name, AudioSamples(samples, np.ones(len(samples) // SAMPLES_PER_FRAME, bool))
    with MediaPool() as pool:
        for path in sorted(folder.iterdir()) if folder is not None else ():
            if (sound := read(pool, path)) is not None:
                yield path.stem.split("-")[0], sound


def voices(args: argparse.Namespace) -> Iterator[tuple[Row, AudioSamples]]:
    if args.manifest is None:
        return
    manifest = read_manifest(args.manifest).select(args.split)
    taken: dict[tuple[str, str, int], int] = defaultdict(int)
    with MediaPool() as pool:
        for row in manifest.records():
            kind = (row.source, row.method, row.audio_fake)
            if row.audio_fake < 0 or taken[kind] >= args.most:
                continue
            taken[kind] += 1
            if (sound := read(pool, manifest.file(row.path))) is not None:
                yield row, sound


def read(pool: MediaPool, path: Path) -> AudioSamples | None:
    """Return the first ten seconds of a file's sound, or None without any."""
    try:
        with pool.open(path) as reader:
            sound = reader.audio()
    except MediaError:
        return None
    if sound is None or not sound.present[:LONGEST_SLOTS].any():
        return None
    return AudioSamples(sound.samples[: LONGEST_SLOTS * SAMPLES_PER_FRAME], sound.present[:LONGEST_SLOTS])
