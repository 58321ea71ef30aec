# SPDX-License-Identifier: Apache-2.0
"""Makes of an exported model one with measured numbers in its ModelSpec, and the scores that it then gives."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cad.data.manifest import Manifest
from cad.detector import Detector
from cad.evaluation.calibration.clips import AnalysedClip, Say, gather_clips
from cad.evaluation.calibration.fitting import Aim, fit_spec
from cad.evaluation.detector_scorer import file_score, scorer_identity
from cad.evaluation.records import FileScore
from cad.evaluation.scorelog import write_log
from cad.options import DetectOptions
from cad.spec import METADATA_KEY, ModelSpec
from cad.weights.registry import MANIFEST_NAME


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """How a model is calibrated.

    Attributes:
        split: Of the manifest, the rows that are fitted on.
        max_fpr: Highest share of genuine clips that may be called fake, in [0, 1].
        max_miss: Share of fakes that may be called real, in [0, 1].
        desync_clips: From how many genuine clips the sync head's fakes are made.
        clips: At most so many rows of each class; 0 takes all.
        threads: Of the model; 0 takes every core.
    """

    split: str = "val"
    max_fpr: float = 0.05
    max_miss: float = 0.1
    desync_clips: int = 40
    clips: int = 0
    threads: int = 0


def calibrate(
    model: Path, manifest: Manifest, output: Path, name: str, options: CalibrationOptions, say: Say
) -> dict[str, object]:
    """Write the calibrated model and its scores, and return the figures on the data that it was calibrated on.

    Args:
        model: ONNX file with a ModelSpec in its metadata; its graph is not changed.
        manifest: Clips with their labels.
        output: Where the calibrated file goes; ``<stem>.scores.jsonl`` beside it takes the scores of the split.
        name: Of the calibrated weights.
        options: How.
        say: Called with lines of progress.

    Raises:
        CadError: The model cannot be run, the split cannot be used, or no thresholds keep the rate.
    """
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        weights = _weights_folder(model, Path(folder) / name)
        detector = Detector(DetectOptions(model=str(weights), threads=options.threads))
        clips = gather_clips(detector, manifest, options.split, options.clips, options.desync_clips, say)
    counts = f"{len(clips.plain.rows)} clips and {len(clips.copies.rows)} re-encoded genuine copies"
    aim = Aim(options.max_fpr, options.max_miss, f"{options.split}: {counts}")
    spec, figures = fit_spec(replace(detector.spec, name=name), clips, aim, say)
    sha256 = _write_model(model, output, spec)
    write_log(output.with_suffix(".scores.jsonl"), scorer_identity(name, sha256), _scores(clips.plain.clips, spec))
    return {"name": name, "sha256": sha256, **figures, "spec": json.loads(spec.to_json())}


def _weights_folder(model: Path, folder: Path) -> Path:
    """Return a folder of weights that holds ``model``, as the detector wants it."""
    content = model.read_bytes()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    manifest = {"kind": "detector", "file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _write_model(model: Path, output: Path, spec: ModelSpec) -> str:
    """Write ``model`` with ``spec`` in its metadata and return the new sha256."""
    import onnx

    graph = onnx.load(str(model))
    kept = {entry.key: entry.value for entry in graph.metadata_props if entry.key != METADATA_KEY}
    onnx.helper.set_model_props(graph, {**kept, METADATA_KEY: spec.to_json()})
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, str(output))
    return hashlib.sha256(output.read_bytes()).hexdigest()


def _scores(clips: Iterable[AnalysedClip], spec: ModelSpec) -> Iterable[FileScore]:
    """Yield what the product says of each clip under the new numbers."""
    for clip in clips:
        if clip.analysis is None:
            yield FileScore(clip.path, "error", error=clip.error)
        else:
            yield file_score(clip.path, clip.analysis, spec)
