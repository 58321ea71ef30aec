# SPDX-License-Identifier: Apache-2.0
"""Fit the fusion ``strongest`` to files that are scored already, and judge it on sources left out.

    python tools/evaluate.py --manifest MANIFEST --split val --weights cad_small --out scored
    python tools/evaluate.py --manifest MANIFEST --protocol desync --weights cad_small --out shifted
    python tools/training/fit_fusion.py cad_small --manifest MANIFEST --split val \\
        --scores scored/scores/as_is.jsonl --scores shifted/scores/other_speaker.jsonl -o runs/joined
    python export/to_onnx.py runs/joined -o joined.onnx

The streams' logits come from logs of scores (tools/evaluate.py, export/calibrate.py), so that the fit takes seconds.
With ``--streams video,audio,sync`` synchrony has a part, too; it then needs the second line, since without clips out of
step nothing says what its evidence is worth. Prints the tables; the folder gets
model.safetensors, the named weights with the new fusion, and metrics.json. Then export/to_onnx.py makes it a model,
and export/calibrate.py gives that its thresholds: those of the old fused head do not hold for the new one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import read_manifest
from cad.strict_json import parse_object
from cad.training.fusion_run import fit_and_write
from cad.training.scored_streams import read_scored


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data, 4 weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("weights", help="packaged name, folder of weights, .onnx file, checkpoint or folder of a run")
    add("--manifest", type=Path, required=True, help="says what is true of the scored files")
    add("--root", type=Path, help="folder that the manifest's paths are relative to")
    add("--split", action="append", default=[], help="only rows of this split; may be repeated (default: all)")
    add("--scores", type=Path, action="append", required=True, metavar="LOG.jsonl",
        help="log of scores of these weights; may be repeated")
    add("-o", "--output", type=Path, required=True, help="folder to write to")
    add("--left-out-groups", type=int, default=8, help="groups of sources to judge by, 0 = do not judge (default: 8)")
    add("--max-fpr", type=float, default=0.03, help="share of genuine files at the threshold (default: 0.03)")
    add("--resamples", type=int, default=1000, help="bootstrap resamples for each interval")
    add("--sharpness", type=float, help="hold the mean's exponent at this value in (0, 1) instead of fitting it")
    add("--streams", default="video,audio",
        help="those that have a part in the fused logit (default: video,audio; the verdict takes sync by itself)")
    add("--net", help="network of weights of your own (default: cad_small; packaged weights say it by their name)")
    add("--options", default="{}", metavar="JSON", help="options of that network, such as {\"voice_members\": 1}")
    # fmt: on
    options = parser.parse_args(words)
    return run_command(lambda: fit(options), "fit_fusion")


def fit(options: argparse.Namespace) -> int:
    manifest = read_manifest(options.manifest, options.root)
    files = read_scored(manifest, options.scores, options.split)
    table, figures = fit_and_write(
        files, options.weights, options.output, options.net, parse_object(options.options),
        options.left_out_groups, options.max_fpr, options.resamples, options.sharpness,
        options.streams.split(","),
    )  # fmt: skip
    print(table, end="")
    print(json.dumps(figures), file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
