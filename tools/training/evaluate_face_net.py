# SPDX-License-Identifier: Apache-2.0
"""Measure the face nets against their teacher on rows of the split ``val``, and write manifests and model cards.

    tool=tools/training/evaluate_face_net.py
    python $tool --manifest ../shared/data/manifest.csv --labels labels
    python $tool ... --install-search run/model.onnx --install-points run2/model.onnx

The second form first copies new weights to their place. No figure in the cards is typed by hand. The tool measures the
finder that the product uses (coarse search, larger sizes where needed, second look), and next to it the search alone at
a long side of 320 px.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.training.face_net.card import card, install, write_manifest
from cad.training.face_net.evaluation import measure_face_nets
from cad.weights.registry import PACKAGE_FOLDER


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="folder written by tools/data/label_faces.py")
    parser.add_argument("--search", default="face_yunet_s2", help="name of the net that searches")
    parser.add_argument("--points", default="face_points_s2", help="name of the net that looks again")
    parser.add_argument("--per-clip", type=int, default=6)
    for what in ("search", "points"):
        parser.add_argument(f"--install-{what}", type=Path, default=None, help="ONNX file to become those weights")
    parser.add_argument("--show-missed", action="store_true")
    parser.add_argument("--dry", action="store_true", help="print the figures and write nothing")
    return run_command(lambda: evaluate(parser.parse_args(words)), "evaluate_face_net")


def evaluate(options: argparse.Namespace) -> int:
    for onnx, name in ((options.install_search, options.search), (options.install_points, options.points)):
        if onnx is not None:
            install(onnx, PACKAGE_FOLDER / name)
    if options.show_missed:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    figures = measure_face_nets(options.manifest, options.labels, options.search, options.points, options.per_clip)
    print(json.dumps(figures, indent=2))
    for what, name in () if options.dry else (("search", options.search), ("points", options.points)):
        manifest = write_manifest(PACKAGE_FOLDER / name, figures)
        (PACKAGE_FOLDER / name / "CARD.md").write_text(card(name, what, options.points, manifest))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
