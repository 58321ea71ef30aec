# SPDX-License-Identifier: Apache-2.0
"""Makes of whatever ``--weights`` names something that the detector opens: a checkpoint is exported once, beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cad.errors import MissingExtraError, WeightsNotFoundError
from cad.weights.registry import MANIFEST_NAME, read_entry

#: Folder beside a checkpoint that holds the exported models, one by hash.
EXPORTS = "exported"
CHECKPOINT_SUFFIX = ".safetensors"
#: Where a run folder, and its folder of the best, keep the checkpoint.
IN_FOLDER = ("model.safetensors", "best/model.safetensors")


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """What the detector opens.

    Attributes:
        name: Of packaged weights, or path of a folder or an ONNX file; None for the package's default.
        notes: What is missing, for a person; a line each.
    """

    name: str | None
    notes: tuple[str, ...] = ()


def find_weights(name: str | None) -> ModelWeights:
    """Return what ``name`` means to the detector.

    Args:
        name: Of packaged weights, or path of a weights folder, an ONNX file, a checkpoint (``.safetensors``), a run
            folder or its ``best``; None takes the package's default.

    Raises:
        WeightsNotFoundError: A folder holds neither weights nor a checkpoint, or the file is the state of a run.
        WeightsError: The checkpoint cannot be read, or a manifest cannot be understood.
        ExportError: The checkpoint cannot be exported.
        MissingExtraError: A checkpoint is given and torch is not installed.
        OSError: Nothing can be written beside the checkpoint.
    """
    path = Path(name or "")
    if name is None or not path.exists() or (path / MANIFEST_NAME).is_file():
        return ModelWeights(name)
    if path.suffix == ".onnx":
        if (path.parent / MANIFEST_NAME).is_file() and read_entry(path.parent).path == path:
            return ModelWeights(str(path.parent))
        return ModelWeights(name, (f"{path.name} has no {MANIFEST_NAME} beside it: its hash was not checked.",))
    if path.suffix == ".ckpt":
        raise WeightsNotFoundError(f"{path} is the state that a run goes on from; name the run's folder or its best/")
    found = [path] if path.is_file() else [path / inside for inside in IN_FOLDER if (path / inside).is_file()]
    if not found:
        raise WeightsNotFoundError(
            f"{path} holds neither weights ({MANIFEST_NAME}) nor a checkpoint ({' or '.join(IN_FOLDER)})"
        )
    if found[0].suffix != CHECKPOINT_SUFFIX:
        raise WeightsNotFoundError(f"{path} is no {CHECKPOINT_SUFFIX} checkpoint, .onnx file or folder of weights")
    return ModelWeights(str(exported(found[0])))


def exported(checkpoint: Path) -> Path:
    """Return the weights folder of a checkpoint, made on the first call for these bytes.

    Raises:
        WeightsError, ExportError, MissingExtraError: As for ``find_weights``.
        OSError: Nothing can be written beside the checkpoint.
    """
    with checkpoint.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = checkpoint.parent / EXPORTS / f"{_run_name(checkpoint)}-{digest[:12]}"
    if not (folder / MANIFEST_NAME).is_file():
        _export(checkpoint, folder)
    return folder


def _export(checkpoint: Path, folder: Path) -> None:
    try:
        from cad.export.weights_folder import export_folder
    except ImportError as error:
        raise MissingExtraError(
            f"{checkpoint} is a checkpoint, which is exported before it is scored: pip install 'cad-detect[train]'"
        ) from error
    export_folder(checkpoint, folder)


def _run_name(checkpoint: Path) -> str:
    """Return what tables call a checkpoint: its run's folder, or its own stem where it does not lie in one."""
    folder = checkpoint.resolve().parent
    if checkpoint.stem != "model":
        return checkpoint.stem
    return folder.parent.name if folder.name == "best" and folder.parent.name else folder.name or checkpoint.stem
