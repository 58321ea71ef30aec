# SPDX-License-Identifier: Apache-2.0
"""Write a folder with all that a program without this package needs to judge files: the embedding kit.

    python export/embedding.py --output KIT
    python export/embedding.py --model cad_small_3 --output KIT
    python export/embedding.py --model FOLDER_OF_WEIGHTS --output KIT

What lies in it, all standard ONNX of one opset, without custom operators and without files beside the files:

  model.onnx           the detector as it is packaged: crops and sound of a window to logits
  face_find.onnx       one picture to the new faces in it, searched at one size and confirmed
  face_look.onnx       one picture and places where faces are expected to the faces there
  face_crop.onnx       one picture and five points of each face to aligned crops
  picture_coarse.onnx  one picture to its coarse brightness, by which cuts are found
  lip_motion.onnx      consecutive crops of a face to the motion of its mouth
  speech.onnx          the net that hears speech as it is packaged
  cad_full.onnx        pictures of a window, five points of each face and sound to the detector's logits
  reference.npz        made inputs of every stage and what this package says of them, for a program to test itself
  reference.json       the same for languages that have no .npz
  kit.json             sha256, inputs and outputs of every file, the ModelSpec, and the constants of the contract

docs/embedding.md says what a program does with them. The folder is written whole or not at all; a kit that was written
there before is replaced, anything else is not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.errors import MissingExtraError


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or output, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # fmt: off
    parser.add_argument("-m", "--model", metavar="WEIGHTS",
                        help="name of a packaged detector, or path of a folder of weights or of an ONNX file "
                             "(default: the packaged one that cad-detect takes)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="KIT", help="the folder to make")
    # fmt: on
    options = parser.parse_args(words)
    return run_command(lambda: export(options), "embedding")


def export(options: argparse.Namespace) -> int:
    try:
        from cad.export.embedding.kit import write_kit
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise MissingExtraError("the kit is written with onnx: pip install 'cad-detect[train]'") from error
    description = write_kit(options.model, options.output)
    files = {name: one["bytes"] for name, one in description["files"].items()}
    print(json.dumps({"output": str(options.output), "model": description["model"], "files": files}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
