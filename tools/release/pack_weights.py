# SPDX-License-Identifier: Apache-2.0
"""Put an exported detector into the package: its file, its manifest, and its golden vectors.

    python tools/release/pack_weights.py MODEL.onnx --name cad_small_1 --default --report EVALUATION

The folder cad/weights/NAME is made; it must not hold other bytes already, because new bytes get a new name. EVALUATION
is the folder of a report by tools/evaluate.py; `cad-detect models` shows its figures. make_card.py makes the model
card from the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cad.command import run_command
from cad.errors import WeightsIntegrityError
from cad.evaluation.stored_reports import read_report
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
    options = parser.parse_args(words)

    def work() -> int:
        print(pack(options.model.read_bytes(), options.name, options.folder, options.default, options.report))
        return 0

    return run_command(work, "pack_weights")


def pack(content: bytes, name: str, folder: Path, default: bool, report: Path | None) -> Path:
    """Write the folder of the weights and return it.

    Raises:
        WeightsIntegrityError: There are other bytes under this name.
        SpecMismatchError: The graph is not one that this package can run.
        DataError: There is no report in ``report``.
    """
    model = open_model(content, name, device="cpu", threads=1)
    outputs = {
        case.name: dict(zip(OUTPUTS, model.session.run(list(OUTPUTS), case.inputs()), strict=True)) for case in CASES
    }
    target = folder / name
    target.mkdir(exist_ok=True)
    path = target / "model.onnx"
    if path.is_file() and path.read_bytes() != content:
        raise WeightsIntegrityError(f"{path} has other bytes; new bytes get a new name")
    path.write_bytes(content)
    np.savez_compressed(target / GOLDEN_NAME, **flatten(outputs))
    for entry in list_entries("detector", folder) if default else ():
        if entry.manifest.get("default") is True:
            write_manifest(entry.path.parent, {**entry.manifest, "default": False})
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
            "figures": {} if report is None else figures_of(report),
        },
    )
    return target


def figures_of(report: Path) -> dict[str, float]:
    """Return figures of every view of a report's first part: what is called fake wrongly, then the AUC."""
    first = next(iter(read_report(report).parts.values()))
    return {
        f"{view['name']}: {name.upper()}": view["measured"]["metrics"][name]["value"]
        for view in first["views"]
        if view["measured"]
        for name in ("fpr", "auc")
    }


def write_manifest(folder: Path, manifest: dict[str, object]) -> None:
    """Write a manifest."""
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
