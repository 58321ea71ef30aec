# SPDX-License-Identifier: Apache-2.0
"""What the coding of stored crops costs: ``python tools/bench.py shard_coding MANIFEST --folder FOLDER``.

Makes the shards of a split once with crops as they are and once coded (what FOLDER has is used), and prints JSON: size,
nearness of the crops, AUC of a packaged model on the same windows of both with the difference and its 95 % interval
(bootstrap over identities), and training samples that a second of processor time makes of both, drawn in turns. Rows
of sound alone are left out: nothing of theirs is coded. Exit code 1 where a difference of AUC cannot be chance.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.data.augment import augment
from cad.data.augment.video_codec import coded_video, draw_video_coding
from cad.data.benchmarks.tree import SOUND_SUFFIXES
from cad.data.manifest import Row, is_unnamed, read_manifest
from cad.data.sharding import make_shards
from cad.data.shards import ClipStore, Coding, shard_paths
from cad.metrics.bootstrap import RESAMPLES, estimate_rows
from cad.metrics.roc import auc_of
from cad.runtime.scorer import Scorer
from cad.training.draw import Mix
from cad.training.train_samples import ForgeOptions, TrainSamples, WindowLengths
from cad.training.val_samples import ValSamples, row_windows
from cad.windows import Window

CODINGS: tuple[Coding, ...] = ("raw", "jpeg")
SLOTS = 50
STREAMS = ("video", "audio")
#: Heads that a row's labels judge, in the order of a sample's labels, and the column of each.
_LABEL_OF = {"fused": "label", "video": "video_fake", "audio": "audio_fake"}
JUDGED = tuple(_LABEL_OF)
_COMPARED_FRAMES = 5
_WARM_UP = 10
_OTHER_CODINGS: dict[str, tuple[str, list[int]]] = {
    f"JPEG {name} {quality}": (
        ".jpg",
        [
            *(cv2.IMWRITE_JPEG_QUALITY, quality),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}")),
            *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        ],
    )
    for name, quality in (("420", 90), ("420", 95), ("444", 90), ("444", 92), ("444", 95))
} | {f"WebP {quality}": (".webp", [cv2.IMWRITE_WEBP_QUALITY, quality]) for quality in (95, 98)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path, help="where the files are; else as the manifest says, or its folder")
    parser.add_argument("--folder", type=Path, required=True, help="FOLDER/raw and FOLDER/jpeg hold the shards")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rows", type=int, help="so many rows, drawn at random; all if not given")
    parser.add_argument("--weights", help="name or folder of the model; the packaged one if not given")
    parser.add_argument("--windows", type=int, default=1, help="of a row at most, whose logits are averaged")
    parser.add_argument("--samples", type=int, default=100, help="training samples that are timed")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Compare the codings; ``ok`` says whether every difference of AUC may be chance."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    stores, rows = shards_of(options)
    judged = [scores(store, rows, options) for store in stores.values()]
    auc = {head: compared(head, rows, [logits[head] for logits in judged]) for head in JUDGED}
    return {
        "rows": len(rows),
        "seconds": sum(stores["raw"].entry(row.path).slots for row in rows) / FRAME_RATE_HZ,
        "bytes_per_second": {coding: bytes_per_second(options.folder / coding, stores[coding]) for coding in CODINGS},
        "coded_bytes_per_second": members_by_source(stores["jpeg"], rows),
        "crops": nearness(stores, rows),
        "codings": other_codings(stores["raw"], rows),
        "auc": auc,
        "training_samples_per_core_second": speed(stores, rows, options.samples, options.seed),
        "ok": not any(one["differs"] for one in auc.values()),
    }


def shards_of(options: argparse.Namespace) -> tuple[dict[Coding, ClipStore], list[Row]]:
    """Return a store of each coding and the rows that both have with a face."""
    manifest = read_manifest(options.manifest, options.root).select(options.split)
    rows = [row for row in manifest.records() if not row.path.lower().endswith(SOUND_SUFFIXES)]
    if options.rows is not None:
        chosen = np.random.default_rng(options.seed).permutation(len(rows))[: options.rows]
        rows = [rows[index] for index in sorted(chosen)]
    stores: dict[Coding, ClipStore] = {}
    for coding in CODINGS:
        where = options.folder / coding
        make_shards(rows, manifest.root, where, options.split, jobs=options.jobs, coding=coding)
        stores[coding] = ClipStore(where)
        rows = [row for row in rows if row.path in stores[coding] and stores[coding].entry(row.path).has_frames]
    return stores, rows


def bytes_per_second(folder: Path, store: ClipStore) -> float:
    """Return what a second of the store's clips takes on the disk, everything counted."""
    return sum(path.stat().st_size for path in shard_paths(folder)) / sum(clip.slots for clip in store) * FRAME_RATE_HZ


def scores(store: ClipStore, rows: list[Row], options: argparse.Namespace) -> dict[str, NDArray[np.float64]]:
    """Return the mean logit of each row's windows by head; NaN where the row says nothing of that stream."""
    scorer = Scorer(options.weights, threads=1)
    samples = ValSamples(store, row_windows(store, rows, SLOTS, options.windows, STREAMS), SLOTS, STREAMS)
    found: dict[str, dict[str, list[float]]] = {head: defaultdict(list) for head in JUDGED}
    for number in range(len(samples)):
        sample = samples[number]
        outputs = scorer.run([cast(Window, sample)])  # the inputs have the same names in both
        for place, head in enumerate(JUDGED):
            if sample.clip_labels[place] >= 0:
                found[head][sample.key].append(float(outputs[f"{head}_logit"][0]))
    return {
        head: np.array([np.mean(logits[row.path]) if row.path in logits else np.nan for row in rows])
        for head, logits in found.items()
    }


def compared(head: str, rows: list[Row], logits: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the AUC of both codings over the same rows, and whether they differ by more than chance."""
    known = np.flatnonzero(np.isfinite(logits[0]))
    people = [rows[index].path if is_unnamed(rows[index].identity) else rows[index].identity for index in known]
    is_fake = np.array([getattr(rows[index], _LABEL_OF[head]) == 1 for index in known])
    raw, coded = (one[known] for one in logits)

    def figures(chosen: NDArray[np.intp]) -> dict[str, float]:
        fake = is_fake[chosen]
        areas = [auc_of(one[chosen][fake], one[chosen][~fake]) for one in (raw, coded)]
        return {"raw": areas[0], "jpeg": areas[1], "difference": areas[1] - areas[0]}

    found = estimate_rows(figures, np.unique(people, return_inverse=True)[1], RESAMPLES, seed=0)
    difference = found["difference"]
    return {
        "fake_rows": int(is_fake.sum()),
        "real_rows": int((~is_fake).sum()),
        **{name: estimate.text(4) for name, estimate in found.items()},
        "largest_change_of_a_logit": float(np.abs(coded - raw).max()),
        "standard_deviation_of_logits": float(raw.std()),
        "differs": not difference.low <= 0 <= difference.high,
    }


def members_by_source(store: ClipStore, rows: list[Row]) -> dict[str, float]:
    """Return the bytes a second of pictures and masks: of all rows, and of the sources with the least and the most."""
    total: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(3))
    for row in rows:
        frames: Any = store.read(row.path).frames
        files = frames.files()
        total[row.source] += len(files.pictures), len(files.masks), len(frames) / FRAME_RATE_HZ
    pictures, masks, seconds = sum(total.values(), np.zeros(3))
    by_source = [(one[0] + one[1]) / one[2] for one in total.values()]
    return {
        "pictures": pictures / seconds,
        "masks": masks / seconds,
        "least_of_a_source": min(by_source),
        "most_of_a_source": max(by_source),
    }


def other_codings(store: ClipStore, rows: list[Row]) -> dict[str, dict[str, float]]:
    """Return what crops of some frames would take by other codings of OpenCV, how near they stay, and how fast."""
    rng, frames = np.random.default_rng(0), []
    for row in rows:
        present = np.flatnonzero(store.entry(row.path).frames_present)
        seen = store.read(row.path).frames
        assert seen is not None
        frames += [cv2.cvtColor(seen[slot], cv2.COLOR_RGB2BGR) for slot in rng.choice(present, _COMPARED_FRAMES)]
    found = {}
    for name, (suffix, options) in _OTHER_CODINGS.items():
        coded = [cv2.imencode(suffix, frame, options)[1] for frame in frames]
        started = time.process_time()
        decoded = [cv2.imdecode(one, cv2.IMREAD_COLOR) for one in coded]
        seconds = time.process_time() - started
        noise = _noise(np.stack(frames), np.stack(decoded))
        found[name] = {
            "bytes_per_frame": float(np.mean([len(one) for one in coded])),
            "psnr_mean_db": float(np.mean(noise)),
            "psnr_least_db": float(min(noise)),
            "decode_ms": 1000 * seconds / len(frames),
        }
    return found


def nearness(stores: Mapping[Coding, ClipStore], rows: list[Row]) -> dict[str, float]:
    """Return how near coded crops are to the others, how near a training codec leaves them, and what decoding takes."""
    rng, seconds, count = np.random.default_rng(0), 0.0, 0
    noise: list[float] = []
    augmented: list[float] = []
    for row in rows:
        present = np.flatnonzero(stores["raw"].entry(row.path).frames_present)
        slots = np.sort(rng.choice(present, min(len(present), _COMPARED_FRAMES), replace=False))
        plain, coded = (stores[coding].read(row.path).frames for coding in CODINGS)
        assert plain is not None and coded is not None
        started = time.process_time()
        decoded = coded[slots]
        seconds, count = seconds + time.process_time() - started, count + len(slots)
        noise += _noise(plain[slots], decoded)
        augmented += _noise(plain[slots], coded_video(plain[slots], draw_video_coding(rng)))
    return {
        "psnr_mean_db": float(np.mean(noise)),
        "psnr_least_db": float(min(noise)),
        "psnr_mean_of_augmentation_codecs_db": float(np.mean(augmented)),
        "decode_ms_per_frame": 1000 * seconds / count,
    }


def _noise(plain: NDArray[np.uint8], other: NDArray[np.uint8]) -> list[float]:
    """Return the peak signal-to-noise ratio of each frame in dB."""
    squares = ((plain.astype(np.float32) - other) ** 2).mean(axis=(1, 2, 3))
    return list(10 * np.log10(255**2 / np.maximum(squares, 1e-3)))


def speed(stores: Mapping[Coding, ClipStore], rows: list[Row], count: int, seed: int) -> dict[str, float]:
    """Return the samples that a second of processor time makes of each coding, the same samples in turns."""
    mix, lengths, forging = Mix(genuine_speech=0, forged_speech=0, fake_speech=0), WindowLengths(), ForgeOptions()
    samples = {
        coding: TrainSamples(store, rows, mix, lengths, forging, 0.5, STREAMS, augment, seed)
        for coding, store in stores.items()
    }
    seconds = dict.fromkeys(CODINGS, 0.0)
    for number in range(_WARM_UP + count):
        for coding in CODINGS if number % 2 else CODINGS[::-1]:
            started = time.process_time()
            samples[coding][number]
            seconds[coding] += time.process_time() - started if number >= _WARM_UP else 0.0
    return {coding: count / spent for coding, spent in seconds.items()} | {"ratio": seconds["raw"] / seconds["jpeg"]}
