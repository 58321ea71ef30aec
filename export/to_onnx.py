# SPDX-License-Identifier: Apache-2.0
"""Make of a trained network weights that the detector runs, and check that they say the same.

    python export/to_onnx.py runs/fav/best --output fav_model && cad-detect --model fav_model CLIP.mp4
    python export/to_onnx.py CHECKPOINT.safetensors --output model.onnx --name NAME

The first gives a folder (model.onnx, manifest.json), the second the bare file. Everything from uint8 frames and raw
samples to logits is inside the graph, batch and time are free, and the ModelSpec is in the metadata, without a
calibration: export/calibrate.py measures one.

--dtype says how the file stores and computes (measured: docs/evaluation/precisions.md). fp16 and int8 are precisions of
storage: weights are widened when the file is loaded, so that it is smaller and as fast as float32; in int8 only the
linear layers of a large face encoder multiply in integers, which is faster. int8_static lets the convolutions of face
and lips multiply in integers as well, which is faster for every net; the ranges of their inputs are measured on the
clips of --calibrate-on. fp16_compute is for GPUs: a CPU has no arithmetic in float16 and computes such a file in
float32, slower than the float32 file. export/to_precision.py does the same to a model that is exported already.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from cad.command import run_command
from cad.errors import OptionError
from cad.export.checkpoint import export_checkpoint
from cad.export.precision import DTYPES, PRECISIONS
from cad.export.weights_folder import MODEL_NAME, export_folder
from cad.models.checkpoint import checkpoint_file


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # fmt: off
    parser.add_argument("checkpoint", type=Path, help="a run's folder or its best/, or a .safetensors file")
    parser.add_argument("-o", "--output", type=Path,
                        help="the folder to make, or a file that ends in .onnx (default: one beside the checkpoint)")
    parser.add_argument("--name", help="name of the weights in the ModelSpec (default: the output's)")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32",
                        help="; ".join(f"{dtype}: {text}" for dtype, text in PRECISIONS.items()))
    parser.add_argument("--calibrate-on", type=Path, metavar="MANIFEST",
                        help="clips that int8_static measures ranges on: rows of split train where it has any")
    parser.add_argument("--trained-on", default="", metavar="TEXT",
                        help="one line on the training data, for the ModelSpec")
    # fmt: on
    options = parser.parse_args(words)
    return run_command(lambda: export(options), "to_onnx")


def export(options: argparse.Namespace) -> int:
    checkpoint = checkpoint_file(options.checkpoint)
    output: Path = options.output or checkpoint.with_suffix(".onnx")
    how = (options.name, options.dtype, options.trained_on, options.calibrate_on)
    if output.suffix == ".onnx":
        if output.is_dir():
            raise OptionError(f"{output} is a folder; a bare file ends in .onnx, a folder of weights does not")
        differences, file = export_checkpoint(checkpoint, output, *how), output
    else:
        differences, file = export_folder(checkpoint, output, *how), output / MODEL_NAME
        print(f"to_onnx: run it with cad-detect --model {output} CLIP; it is uncalibrated", file=sys.stderr)
    report = {"output": str(output), "bytes": file.stat().st_size, "worst": [asdict(item) for item in differences]}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    raise SystemExit(main())
