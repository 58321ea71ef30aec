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
import sys
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cad.errors import CadError
from cad.models import load_checkpoint
from export.graph import export_graph
from export.parity import Difference, check_parity
from export.precision import DTYPES, store_weights_as
from export.specs import spec_of


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        differences = export_checkpoint(options.checkpoint, options.output, options.name, options.dtype,
                                        options.trained_on)  # fmt: skip
    except CadError as error:
        print(f"export failed: {error}", file=sys.stderr)
        return 1
    size = options.output.stat().st_size
    print(json.dumps({"output": str(options.output), "bytes": size, "worst": [asdict(item) for item in differences]}))
    return 0


def export_checkpoint(
    checkpoint: Path, output: Path, name: str | None, dtype: str, trained_on: str = ""
) -> list[Difference]:
    """Export, check and return the worst differences by output; the file is left only when it passes.

    Raises:
        WeightsError: The checkpoint cannot be read.
        ExportError: The graph cannot be made, or disagrees with its source (ParityError).
    """
    model, notes = load_checkpoint(checkpoint)
    spec = spec_of(model.config, name or output.stem, notes | ({"trained_on": trained_on} if trained_on else {}))
    graph = export_graph(model, spec)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    try:
        store_weights_as(graph, partial, dtype)
        differences = check_parity(model, partial, strict=dtype == "fp32")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return differences


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a .safetensors file written by cad.models.save_checkpoint")
    parser.add_argument("-o", "--output", type=Path, help="the .onnx file to write (default: beside the checkpoint)")
    parser.add_argument("--name", help="name of the weights in the ModelSpec (default: the output's stem)")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="precision in which the weights are stored")
    parser.add_argument("--trained-on", default="", metavar="TEXT",
                        help="one line on the training data, for the ModelSpec")  # fmt: skip
    options = parser.parse_args(arguments)
    options.output = options.output or options.checkpoint.with_suffix(".onnx")
    return options


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
