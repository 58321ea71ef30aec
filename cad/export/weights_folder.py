# SPDX-License-Identifier: Apache-2.0
"""Makes folders of weights that the detector opens, for evaluation and the tools that export and calibrate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cad.errors import ExportError, WeightsError
from cad.export.checkpoint import export_checkpoint
from cad.export.parity import Difference
from cad.export.precision import PRECISION_KEY, PRECISIONS
from cad.runtime.session import open_model
from cad.weights.registry import MANIFEST_NAME, read_entry
from cad.whole_files import folder_written_beside

MODEL_NAME = "model.onnx"
#: All that a folder by this module may hold; one with more (a card, golden vectors) was made for a release.
_OURS = {MODEL_NAME, MANIFEST_NAME, "model.scores.jsonl"}


def export_folder(
    checkpoint: Path,
    folder: Path,
    name: str | None = None,
    dtype: str = "fp32",
    trained_on: str = "",
    calibrate_on: Path | None = None,
) -> list[Difference]:
    """Export a checkpoint as a folder of weights, whole or not at all, and return the worst difference of each output.

    The model was never calibrated: its spec has neither calibration nor operating points.

    Args:
        checkpoint: What ``cad.models.load_checkpoint`` reads: a file, or the folder of a run.
        folder: Made; one that was made here before is replaced.
        name: Of the weights; None for the folder's.
        dtype: See ``export_checkpoint``.
        trained_on: See ``export_checkpoint``.
        calibrate_on: See ``export_checkpoint``.

    Raises:
        OptionError: See ``export_checkpoint``.
        DataError: Likewise.
        WeightsError: The checkpoint cannot be read.
        ExportError: The graph cannot be made or disagrees with its source, or the folder holds something else.
        OSError: The folder cannot be written.
    """
    with weights_folder(folder) as model:
        return export_checkpoint(checkpoint, model, name or folder.name, dtype, trained_on, calibrate_on)


@contextmanager
def weights_folder(folder: Path) -> Iterator[Path]:
    """Give the place for an ONNX file; it stands in ``folder`` with its manifest once the block has ended well.

    Args:
        folder: Made; one that was made here before is replaced.

    Raises:
        ExportError: The folder holds something else.
        WeightsError: The file is none that the detector can run.
        OSError: The folder cannot be written.
    """
    check_replaceable(folder)
    with folder_written_beside(folder) as partial:
        yield partial / MODEL_NAME
        write_manifest(partial)


def check_replaceable(folder: Path) -> None:
    """Check that nothing but what was made here would be lost.

    Raises:
        ExportError: There is a file of that name, or a folder with anything else in it.
    """
    if not folder.exists():
        return
    held = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {folder.name}
    if not held:
        return
    try:
        is_ours = held <= _OURS and read_entry(folder).kind == "detector"
    except WeightsError:
        is_ours = False
    if not is_ours:
        more = ", ".join((sorted(held - _OURS) or sorted(held))[:3])
        raise ExportError(f"{folder} is not a folder that was exported here (it holds {more}); name another")


def write_manifest(folder: Path) -> None:
    """Write the manifest of the exported model in ``folder``.

    Raises:
        WeightsError: The model is none that the detector can run.
    """
    content = (folder / MODEL_NAME).read_bytes()
    opened = open_model(content, folder.name, device="cpu", threads=1)
    spec = opened.spec
    dtype = opened.session.get_modelmeta().custom_metadata_map.get(PRECISION_KEY, "")
    manifest = {
        "kind": "detector",
        "file": MODEL_NAME,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "default": False,
        "trained_on": spec.trained_on,
        "commit": spec.commit,
        **({"precision": PRECISIONS[dtype]} if dtype in PRECISIONS else {}),
        "figures": {},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
