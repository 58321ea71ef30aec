# SPDX-License-Identifier: Apache-2.0
"""Calibrate a model on validation clips and write it with a new ModelSpec inside.

    python export/calibrate.py fav_model --manifest fav.parquet --split val --output fav_calibrated

The detector scores every clip of the split as the product does, and the genuine ones a second time after re-encoding
(H.264 and AAC, or Opus for sound alone). On the raw clip logits a Platt scaling is fitted for each head; operating
points are chosen so that at most --max-fpr of the genuine clips (re-encoded copies included) are called fake, by each
head and by the product's answer for the whole file. The sync head is calibrated on clips cut out of step and dubbed,
against controls cut alike. Peaks, the strongest stretches of long files, are fitted on files joined from the genuine
clips, source by source: for every length from ten seconds to ten minutes at most three fifths of the rate are called
fake by the mean or a peak of the sound, and two fifths by those of the picture. --genuine adds clips for that and for
the worst of several faces; only its genuine rows are used, and the model must not have been trained on them. Beside
the model, *.scores.jsonl holds the scores under the new numbers, in the form that tools/evaluate.py goes on from.

Each kind of file (recording, talking_head, still) gets numbers of its own besides, where the split has --domain-rows
rows of it in each class and rows of other kinds too; else the plain numbers hold for it. --still-frames cuts frames out
of so many clips of each class and takes them for stills.

Last, sound or picture by itself may be let in to make a talking head fake beside the fused head, if that pays on
sources left out: all that may call a file fake shares --max-fpr (docs/verdict.md, "A stream that stands alone").

With --scores nothing is scored: the heads' numbers are fitted on scores that are there, such as those by models that
had not seen a row's source. The rows of a source weigh as much as the square root of their number, and --max-fpr holds
for genuine rows so weighed; the rates by rows and by sources are printed beside it. --kinds recording still fits the
numbers of these kinds of file and leaves all others as they are.

    python export/calibrate.py fav_model --manifest fav.parquet --split train --scores fold_*.scores.jsonl -o fav_out
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import read_manifest
from cad.errors import OptionError
from cad.evaluation.calibration.calibrating import calibrate
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.scored import calibrate_scored
from cad.evaluation.model_weights import find_weights
from cad.export.weights_folder import weights_folder
from cad.spec import DOMAINS
from cad.weights import find_entry

#: Options about clips that are analysed.
UNSCORED = ("keep_heads", "genuine", "still_frames")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data, 4 weights."""
    options = parse(arguments)
    return run_command(lambda: write(options), "calibrate")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="folder of weights, ONNX file, checkpoint, a run's folder or its best/, or a packaged name")
    add("--manifest", type=Path, required=True)
    add("--root", type=Path)
    add("--split", default="val")
    add("--genuine", type=Path, help="manifest of more genuine clips, for peaks and several faces")
    add("--genuine-root", type=Path, help="the folder that its paths are relative to")
    add("-o", "--output", type=Path, required=True, help="the folder to make, or a file that ends in .onnx")
    add("--name", help="name of the calibrated weights (default: the output's)")
    add("--max-fpr", type=float, default=0.05, help="highest share of genuine clips that may be called fake")
    add("--max-miss", type=float, default=0.1, help="share of fakes that may be called real")
    add("--desync-clips", type=int, default=40, help="genuine clips from which the sync head's fakes are made")
    add("--keep-heads", action="store_true", help="leave the heads' numbers; fit peaks and several faces alone")
    add("--domain-rows", type=int, default=40, help="rows of each class that a kind of file needs for its own numbers")
    add("--still-frames", type=int, default=0, help="clips of each class of which a frame is taken as a still")
    add("--scores", type=Path, nargs="+", default=[], metavar="FILE", help="fit the heads on these *.scores.jsonl")
    add("--kinds", nargs="+", choices=DOMAINS, default=[], help="with --scores: fit the numbers of these kinds alone")
    add("--clips", type=int, default=0, help="at most so many rows of each class (0 = all)")
    add("--threads", type=int, default=0)
    return parser.parse_args(arguments)


def write(options: argparse.Namespace) -> int:
    """Calibrate, write, and print the figures."""
    if options.scores and (without := [name for name in UNSCORED if getattr(options, name)]):
        raise OptionError(
            f"--scores fit the heads and analyse no clip; they leave --{without[0].replace('_', '-')} nothing to do"
        )
    if options.kinds and not options.scores:
        raise OptionError("--kinds goes with --scores: without these all kinds are fitted on the clips")
    given = {field.name: getattr(options, field.name) for field in fields(CalibrationOptions)}
    chosen = CalibrationOptions(**{**given, "kinds": tuple(options.kinds)})
    manifest = read_manifest(options.manifest, options.root)
    further = None if options.genuine is None else read_manifest(options.genuine, options.genuine_root)
    model = find_entry(find_weights(options.model).name).path
    is_file = options.output.suffix == ".onnx"
    name = options.name or (options.output.stem if is_file else options.output.name)
    with nullcontext(options.output) if is_file else weights_folder(options.output) as output:
        if options.scores:
            figures = calibrate_scored(model, manifest, options.scores, output, name, chosen, say)
        else:
            figures = calibrate(model, manifest, output, name, chosen, say, further)
    print(json.dumps(figures, indent=1))
    return 0


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"calibrate: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
