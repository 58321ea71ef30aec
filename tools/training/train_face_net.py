# SPDX-License-Identifier: Apache-2.0
"""Train a face net by distillation from the labels of tools/data/label_faces.py, and write it as ONNX.

    tool=tools/training/train_face_net.py
    python $tool search --manifest ../shared/data/manifest.csv --labels labels --out a --minutes 20
    python $tool points --manifest ../shared/data/manifest.csv --labels labels --out b --minutes 12
    python $tool points ... --out c --mine face_yunet_s1 --resume b/last.pt --rate 1.5e-3

`search` makes the net that finds faces in whole pictures, `points` the one that looks at each face a second time.

Only rows of the split ``train`` teach. The last weights are an exponential mean. The graph holds everything from
uint8 pictures to decoded candidates; ``cad.faces.net`` suppresses doubles. ``--resume`` takes the ``last.pt`` of a run.
The figures of the card come from tools/training/evaluate_face_net.py, never from here.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.training.face_net.fit import FaceNetRun, train_face_net


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "points"))
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="folder written by tools/data/label_faces.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=None, help="in place of --minutes")
    parser.add_argument("--per-clip", type=int, default=5)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mine", default=None, help="weights of a search net whose false sightings teach too")
    parser.add_argument("--resume", type=Path, default=None)
    return run_command(lambda: train(parser.parse_args(words)), "train_face_net")


def train(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    train_face_net(FaceNetRun(**vars(options)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
