# SPDX-License-Identifier: Apache-2.0
"""Put an exported detector into the package: its file, its manifest, and its golden vectors.

    python tools/release/pack_weights.py MODEL.onnx --name cad_small_1 --default --report EVALUATION

The folder cad/weights/NAME is made; it must not hold other bytes already, because new bytes get a new name. EVALUATION
is the folder of a report by tools/evaluate.py; `cad-detect models` shows its figures. The model card is made
by its own script from the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cad.command import run_command
from cad.errors import WeightsIntegrityError
from cad.runtime.session import open_model
from cad.spec import OUTPUTS
from cad.weights.golden import CASES, GOLDEN_NAME, flatten
from cad.weights.registry import MANIFEST_NAME, PACKAGE_FOLDER, list_entries


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an exported .onnx file")
    parser.add_argument("--name", required=True, help="name of the weights")
    parser.add_argument("--default", action="store_true", help="the detector that is used when none is named")
    parser.add_argument("--report", type=Path, help="folder that tools/evaluate.py wrote, for the figures")
    parser.add_argument("--folder", type=Path, default=PACKAGE_FOLDER, help="where the weights lie")
    return run_command(lambda: pack_file(parser.parse_args(words)), "pack_weights")


def pack_file(options: argparse.Namespace) -> int:
    print(pack(options.model.read_bytes(), options.name, options.folder, options.default, options.report))
    return 0


def pack(content: bytes, name: str, folder: Path, default: bool, report: Path | None) -> Path:
    """Write the folder of the weights and return it.

    Raises:
        WeightsIntegrityError: There are other bytes under this name.
        SpecMismatchError: The graph is not one that this package can run.
    """
    model = open_model(content, name, device="cpu", threads=1)
    outputs = {
        case.name: dict(zip(OUTPUTS, model.session.run(list(OUTPUTS), case.inputs()), strict=True)) for case in CASES
    }
    target = folder / name
    target.mkdir(exist_ok=True)
    write_once(target / "model.onnx", content)
    np.savez_compressed(target / GOLDEN_NAME, **flatten(outputs))
    if default:
        undo_default(folder)
    write_manifest(
        target,
        {
            "kind": "detector",
            "file": "model.onnx",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "default": default,
            "trained_on": model.spec.trained_on,
            "commit": model.spec.commit,
            "figures": figures_of(json.loads((report / "report.json").read_text(encoding="utf-8"))) if report else {},
        },
    )
    return target


def figures_of(report: dict[str, Any]) -> dict[str, float]:
    """Return the first figures of every view of a report's first part: what is called fake wrongly, then the AUC."""
    views = report["parts"][0]["views"]
    return {
        f"{view['name']}: {name.upper()}": view["measured"]["metrics"][name]["value"]
        for view in views
        if view["measured"]
        for name in ("fpr", "auc")
    }


def write_once(path: Path, content: bytes) -> None:
    """Write a file that may only ever have these bytes."""
    if path.is_file() and path.read_bytes() != content:
        raise WeightsIntegrityError(f"{path} has other bytes; new bytes get a new name")
    path.write_bytes(content)


def undo_default(folder: Path) -> None:
    """Take the mark of the default from whichever weights have it."""
    for entry in list_entries("detector", folder):
        if entry.manifest.get("default") is True:
            write_manifest(entry.path.parent, {**entry.manifest, "default": False})


def write_manifest(folder: Path, manifest: dict[str, object]) -> None:
    """Write a manifest."""
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
