# SPDX-License-Identifier: Apache-2.0
"""Make a table of what each kind of on-the-fly forgery adds on sources that are left out.

A frozen encoder that has seen none of the data (EfficientNet-Lite0 from ImageNet for faces, the first two layers of
Whisper base for voices) gives mean and deviation of each window. A logistic regression learns to tell genuine training
clips from forgeries made of them, and is scored on the forged rows of sources of which it has seen nothing. Only train
rows are used.

    CAD_FORGERS=forgers python tools/training/forgery_ablation.py --shards 'shards/*.tar' --out runs/forgery_ablation

The Markdown goes to stdout. Statistics are kept in the folder --out, one file a kind, and are computed once for each
clip and kind: a stopped run goes on, and another --strength costs seconds. Delete a kind's file after a change of its
code. Kinds that need trained networks are passed over where CAD_FORGERS names no folder.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from cad.command import run_command
from cad.data.forge import Stream
from cad.data.manifest import manifest_of_clips
from cad.data.shards import ClipStore
from cad.training.forgery_ablation.gathering import Plan, gather
from cad.training.forgery_ablation.measuring import ablation_markdown, measure_ablation
from cad.training.forgery_ablation.statistics import published_statistics

TITLES = {Stream.VIDEO: "Picture", Stream.AUDIO: "Voice"}
FOOTNOTE = "\\* puts forged rows (of the sources that are fitted on) into genuine clips; not among *all kinds*."


def plans(options: argparse.Namespace) -> list[Plan]:
    """Return the plan of each stream."""
    sizes = {
        Stream.VIDEO: (options.face_slots, options.faces_per_source),
        Stream.AUDIO: (options.voice_slots, options.voices_per_source),
    }
    return [Plan(stream, *sizes[stream], options.folds, options.seed) for stream in map(Stream, options.streams)]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", nargs="+", required=True, help="folders, files or patterns of shards")
    parser.add_argument("--out", type=Path, required=True, help="folder in which statistics are kept")
    parser.add_argument("--streams", nargs="+", choices=["video", "audio"], default=["video", "audio"])
    parser.add_argument("--faces-per-source", type=int, default=20, help="genuine and forged rows of a source, at most")
    parser.add_argument("--voices-per-source", type=int, default=4, help="likewise")
    parser.add_argument("--face-slots", type=int, default=25, help="length of a window at 25 Hz")
    parser.add_argument("--voice-slots", type=int, default=50, help="likewise")
    parser.add_argument("--folds", type=int, default=4, help="groups of sources that are left out in turn")
    parser.add_argument("--strength", type=float, default=1e-3, help="C of the logistic regression")
    parser.add_argument("--resamples", type=int, default=1000, help="of identities, for the 95 %% intervals")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    return run_command(lambda: measure(options), "forgery_ablation")


def measure(options: argparse.Namespace) -> int:
    store = ClipStore(options.shards)
    rows = manifest_of_clips(store, ", ".join(options.shards)).records()
    for plan in plans(options):
        gathered = gather(store, rows, plan, published_statistics(plan.stream), options.out)
        ablation = measure_ablation(gathered, options.strength, options.resamples)
        print(f"## {TITLES[plan.stream]}\n\n{ablation_markdown(ablation)}\n", flush=True)
    print(FOOTNOTE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
