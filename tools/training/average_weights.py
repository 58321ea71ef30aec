# SPDX-License-Identifier: Apache-2.0
"""Average the weights of runs of one net that share their start ("model soup", arXiv 2203.05482).

    python tools/training/average_weights.py runs/stage_video/best runs/stage_video_2 -o runs/stage_video_mean \
        --part face_encoder. --part video_head.

Each run is a folder with ``model.safetensors`` (or such a file). Whole numbers, such as counts of batches, are taken
from the last. The result can be given to ``start_from``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from cad.command import run_command
from cad.training.averaging import averaged
from cad.training.start import WEIGHTS_NAME, read_weights
from cad.training.whole_files import written_beside


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders or .safetensors files")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the mean")
    parser.add_argument("--part", action="append", default=[], metavar="PREFIX",
                        help="only tensors whose names begin so (may be repeated; default: all)")  # fmt: skip
    return run_command(lambda: average(parser.parse_args(words)), "average_weights")


def average(options: argparse.Namespace) -> int:
    parts = tuple(options.part) or ("",)
    states = [read_weights(run) for run in options.runs]
    mean = averaged([{name: value for name, value in state.items() if name.startswith(parts)} for state in states])
    options.out.mkdir(parents=True, exist_ok=True)
    with written_beside(options.out / WEIGHTS_NAME) as part:
        save_file(mean, part)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
