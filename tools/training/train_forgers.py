# SPDX-License-Identifier: Apache-2.0
"""Train the small networks that forge (three face autoencoders, three vocoders) on genuine clips, for minutes.

    python tools/training/train_forgers.py SHARDS --out forgers --seconds 180
    CAD_FORGERS=forgers python tools/train.py fit --config ...     # with weights {autoencoder: 0.7, ...}

Only rows of the training split are used. Each network becomes an ONNX file, and one line of JSON says how it was made.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from cad.command import run_command
from cad.data.shards import ClipStore
from cad.training.forgers.autoencoders import UPSAMPLERS
from cad.training.forgers.fit import patch_batches, train_forger, voice_batches


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=180, help="for each network")
    parser.add_argument("--only", choices=("autoencoder", "vocoder"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--patches", type=int, default=6000, help="face patches held in memory")
    parser.add_argument("--voices", type=int, default=600, help="recordings held in memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return run_command(lambda: train(parser.parse_args(words)), "train_forgers")


def train(options: argparse.Namespace) -> int:
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    store = ClipStore(options.shards)
    sources = {"autoencoder": (patch_batches, options.patches), "vocoder": (voice_batches, options.voices)}
    for kind in [options.only] if options.only else sources:
        batches_of, held = sources[kind]
        batches = batches_of(store, held, options.batch, np.random.default_rng(options.seed))
        for upsampler in UPSAMPLERS:
            made = train_forger(kind, upsampler, batches, options.out, options.seconds, options.seed)
            print(json.dumps(made), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
