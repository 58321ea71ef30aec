# SPDX-License-Identifier: Apache-2.0
"""Fit the large judge of the picture of cad_base on faces (see ``cad.training.picture_judge``).

    python tools/training/fit_picture.py --config configs/train/picture.yaml --data.shards '[shards, shards_stills]'
    python tools/training/fit_picture.py --config configs/train/picture.yaml --left_out_groups 8 --out runs/picture

Writes ``model.safetensors``, a whole net for export/to_onnx.py, and ``metrics.json``. Ctrl-C saves; the same command
goes on.
"""

from __future__ import annotations

import logging

from jsonargparse import auto_cli

from cad.command import run_command
from cad.training.picture_judge import fit_picture


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    auto_cli(fit_picture, as_positional=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, "fit_picture"))
