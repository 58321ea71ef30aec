# SPDX-License-Identifier: Apache-2.0
"""Average the weights of runs of one net that share their start ("model soup", arXiv 2203.05482).

    python tools/average_weights.py runs/stage_video/best runs/stage_video_2 -o runs/stage_video_mean \
        --part face_encoder. --part video_head.

Each run is a folder with ``model.safetensors`` (or such a file). Whole numbers, such as counts of batches, are taken
from the last. The result can be given to ``start_from``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

NAME = "model.safetensors"


def averaged(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of each tensor.

    Raises:
        ValueError: The nets do not have the same tensors.
    """
    first = {name: value.shape for name, value in states[0].items()}
    for state in states[1:]:
        shapes = {name: value.shape for name, value in state.items()}
        differing = sorted(name for name in first.keys() | shapes.keys() if first.get(name) != shapes.get(name))
        if differing:
            raise ValueError(f"the nets differ in {len(differing)} tensors: {', '.join(differing[:5])}")
    last = states[-1]
    return {
        name: (sum(state[name].double() for state in states) / len(states)).to(value.dtype).contiguous()  # type: ignore[union-attr]
        if value.is_floating_point()
        else value
        for name, value in last.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or files that do not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders or .safetensors files")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the mean")
    parser.add_argument("--part", action="append", default=[], metavar="PREFIX",
                        help="only tensors whose names begin so (may be repeated; default: all)")  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        states = [load_file(str(run / NAME if run.is_dir() else run)) for run in options.runs]
        if options.part:
            parts = tuple(options.part)
            states = [{name: value for name, value in state.items() if name.startswith(parts)} for state in states]
        mean = averaged(states)
    except (OSError, ValueError) as error:
        print(f"average_weights: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    save_file(mean, str(options.out / NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
