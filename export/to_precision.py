# SPDX-License-Identifier: Apache-2.0
"""Write a model that is there once more, in another precision, and say by how much its outputs move.

    python export/to_precision.py cad_small_3 --dtype int8_static --calibrate-on MANIFEST -o cad_small_3_static.onnx

MODEL is a packaged model's name, a folder of weights or an ONNX file in fp32, fp16 or int8. Weights that were rounded
once stay rounded: --dtype fp32 widens them, for programs that want float32 (and for the other precisions). Calibration
and operating points are kept. What the precisions are: export/to_onnx.py --help; what they cost and give:
docs/evaluation/precisions.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.errors import OptionError
from cad.export.precision import DTYPES, PRECISIONS
from cad.export.precision_of_file import export_stored
from cad.weights import find_entry


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # fmt: off
    parser.add_argument("model", help="a packaged model's name, a folder of weights or an ONNX file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write, which ends in .onnx")
    parser.add_argument("--dtype", choices=DTYPES, required=True,
                        help="; ".join(f"{dtype}: {text}" for dtype, text in PRECISIONS.items()))
    parser.add_argument("--name", help="name of the weights in the ModelSpec (default: the output's)")
    parser.add_argument("--calibrate-on", type=Path, metavar="MANIFEST",
                        help="clips that int8_static measures ranges on: rows of split train where it has any")
    # fmt: on
    options = parser.parse_args(words)
    return run_command(lambda: export(options), "to_precision")


def export(options: argparse.Namespace) -> int:
    output: Path = options.output
    if output.suffix != ".onnx" or output.is_dir():
        raise OptionError(f"{output} must be a file that ends in .onnx")
    entry = find_entry(options.model)
    differences = export_stored(entry, output, options.name, options.dtype, options.calibrate_on)
    moves = {item.output: {"most": item.absolute, "at": item.case} for item in differences}
    print(json.dumps({"output": str(output), "bytes": output.stat().st_size, "differs_from_float32": moves}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
