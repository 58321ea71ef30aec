# SPDX-License-Identifier: Apache-2.0
"""Teach the lip encoder where the lips are, from the labels of tools/data/label_lips.py.

    python tools/training/distill_lips.py --shards cache/shards --lips cache/lips -o runs/lips

Writes ``model.safetensors`` with the keys ``lip_encoder.*``, which a training configuration takes by
``start_from: [{path: runs/lips, prefixes: [lip_encoder.]}]``, and ``metrics.json``. The same line run again goes on
from the last checkpoint in the folder.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from cad.command import run_command
from cad.data.shards import ClipStore
from cad.training.lip_distillation import distill_lips, read_lip_labels


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", required=True, help="folder of the shards")
    parser.add_argument("--lips", type=Path, required=True, help="folder of the labels")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--batch", type=int, default=16, help="stretches of 12 frames in a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return run_command(lambda: distill(parser.parse_args(words)), "distill_lips")


def distill(options: argparse.Namespace) -> int:
    torch.set_num_threads(options.threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store, lips = ClipStore(options.shards), read_lip_labels(options.lips)
    distill_lips(store, lips, options.out, options.steps, options.batch, options.rate, options.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
