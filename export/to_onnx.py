# SPDX-License-Identifier: Apache-2.0
"""Write a trained network as one ONNX file and check that it says the same.

    python export/to_onnx.py CHECKPOINT.safetensors -o cad/weights/NAME/model.onnx --name NAME

Everything from uint8 frames and raw samples to logits is inside the graph, batch and time are free, and the ModelSpec
is in the metadata. With --dtype fp16 or int8 the weights are stored in that precision and widened when the file is
loaded, so that it is smaller and as fast.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from cad.command import run_command
from cad.export.checkpoint import export_checkpoint
from cad.export.precision import DTYPES


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a .safetensors file written by cad.models.save_checkpoint")
    parser.add_argument("-o", "--output", type=Path, help="the .onnx file to write (default: beside the checkpoint)")
    parser.add_argument("--name", help="name of the weights in the ModelSpec (default: the output's stem)")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="precision in which the weights are stored")
    parser.add_argument("--trained-on", default="", metavar="TEXT",
                        help="one line on the training data, for the ModelSpec")  # fmt: skip
    return run_command(lambda: export(parser.parse_args(words)), "to_onnx")


def export(options: argparse.Namespace) -> int:
    output = options.output or options.checkpoint.with_suffix(".onnx")
    differences = export_checkpoint(options.checkpoint, output, options.name, options.dtype, options.trained_on)
    size = output.stat().st_size
    print(json.dumps({"output": str(output), "bytes": size, "worst": [asdict(item) for item in differences]}))
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    raise SystemExit(main())
