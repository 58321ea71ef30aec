# SPDX-License-Identifier: Apache-2.0
"""Make synthetic speech with the engines that are installed, as FLAC files and manifest rows.

    python datasets/speech_forgeries/make.py --out made --count 200 --like data/manifest.csv

Engines and voices take turns. A method that ``--like`` knows keeps the split it has there, so that no system that is
held out for validation is trained on; with ``--split train`` such voices are left out. Texts, voices, speeds and cuts
follow from ``--seed``; Piper's own noise does not.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from engines import ENGINES, Engine, Voice
from numpy.typing import NDArray
from texts import draw_sentence

from cad.clock import SAMPLE_RATE_HZ
from cad.resampling import resampled

COLUMNS = (
    "path",
    "label",
    "video_fake",
    "audio_fake",
    "method",
    "identity",
    "pair_id",
    "source",
    "dataset",
    "licence",
    "note",
    "bytes",
    "sha256",
    "split",
)
LONGEST_SECONDS = 3.0
SHORTEST_SECONDS = 1.0
#: As in arXiv 2412.00175: what exceeds this is sound; engines begin with a silence of their own that would tell.
SOUND_LEVEL = 0.0005


def known_splits(manifest: Path | None) -> dict[str, str]:
    """Return the split of each method in a manifest; a method on both sides counts as held out."""
    if manifest is None:
        return {}
    splits: dict[str, str] = {}
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if splits.get(row["method"]) != "val":
                splits[row["method"]] = row["split"]
    return splits


def turns(engines: list[Engine], splits: dict[str, str], only: str | None) -> list[tuple[Engine, list[Voice]]]:
    """Return engines with their voices; those without a voice of the wanted split are left out."""
    lists = [
        (engine, [voice for voice in engine.voices() if only is None or splits.get(voice.method, "train") == only])
        for engine in engines
    ]
    return [(engine, voices) for engine, voices in lists if voices]


def prepared(audio: NDArray[np.float32], rate: int, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """Return at most 3 s at 16 kHz with a random short silence at either end; None when too little is left."""
    sound = resampled(np.ascontiguousarray(audio, dtype=np.float32), rate, SAMPLE_RATE_HZ)
    loud = np.flatnonzero(np.abs(sound) > SOUND_LEVEL)
    if not len(loud):
        return None
    first = max(int(loud[0]) - int(rng.uniform(0, 0.15) * SAMPLE_RATE_HZ), 0)
    last = min(int(loud[-1]) + 1 + int(rng.uniform(0, 0.15) * SAMPLE_RATE_HZ), len(sound))
    sound = sound[first:last]
    longest = int(LONGEST_SECONDS * SAMPLE_RATE_HZ)
    if len(sound) > longest:
        start = int(rng.integers(0, len(sound) - longest + 1))
        sound = sound[start : start + longest]
    peak = float(np.abs(sound).max())
    level = np.float32(10 ** (rng.uniform(-9, -1) / 20) / peak)
    return sound * level if len(sound) >= SHORTEST_SECONDS * SAMPLE_RATE_HZ else None


def written(
    sound: NDArray[np.float32], out: Path, engine: Engine, voice: Voice, text: str, split: str
) -> dict[str, str]:
    """Write the FLAC file and return its manifest row."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    path = f"speech/engine_{engine.name}/{digest[:10]}.flac"
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    (out / path).write_bytes(data)
    return {
        "path": path,
        "label": "fake",
        "video_fake": "-1",
        "audio_fake": "1",
        "method": voice.method,
        "identity": f"{engine.name}_{voice.name}",
        "pair_id": "",
        "source": f"engine_{engine.name}",
        "dataset": f"engine_{engine.name}",
        "licence": engine.licence,
        "note": text,
        "bytes": str(len(data)),
        "sha256": digest,
        "split": split,
    }


def make(options: argparse.Namespace) -> list[dict[str, str]]:
    """Return the rows of the files made."""
    there = [
        engine for engine in ENGINES if engine.is_available() and (not options.engine or engine.name in options.engine)
    ]
    for engine in ENGINES:
        if engine not in there:
            print(f"{engine.name}: not used (to get it: {engine.install})", file=sys.stderr)
    splits = known_splits(options.like)
    pairs = turns(there, splits, options.split)
    if not pairs:
        raise SystemExit("make: no engine is installed, or all their voices are held out; see the lines above")
    rows: list[dict[str, str]] = []
    spent: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for number in range(4 * options.count):
        if len(rows) == options.count:
            break
        engine, voices = pairs[number % len(pairs)]
        voice = voices[number // len(pairs) % len(voices)]
        rng = np.random.default_rng([options.seed, number])
        text = draw_sentence(voice.language, rng)
        started = time.perf_counter()
        try:
            sound = prepared(*engine.speak(text, voice, rng), rng)
        except Exception as error:  # one engine that fails must not end the others
            failed[f"{engine.name} {voice.name}: {type(error).__name__}: {error}"[:160]] += 1
            continue
        spent[engine.name] += time.perf_counter() - started
        if sound is not None:
            rows.append(
                written(sound, options.out, engine, voice, text, splits.get(voice.method, options.split or "train"))
            )
    report(rows, spent, failed)
    return rows


def report(rows: list[dict[str, str]], spent: Counter[str], failed: Counter[str]) -> None:
    for (source, split), count in sorted(Counter((row["source"], row["split"]) for row in rows).items()):
        seconds = spent[source.removeprefix("engine_")]
        print(f"{source} {split}: {count} files, {seconds:.1f} s", file=sys.stderr)
    for text, count in failed.items():
        print(f"failed {count} times: {text}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for speech/... and manifest.csv")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", action="append", help="only this one (may be repeated)")
    parser.add_argument("--like", type=Path, help="a manifest whose methods keep their split")
    parser.add_argument("--split", choices=("train", "val"), help="only voices of this split")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = make(options)
    with (options.out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"{options.out / 'manifest.csv'}: {len(rows)} rows")


if __name__ == "__main__":
    main()
