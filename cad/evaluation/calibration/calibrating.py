# SPDX-License-Identifier: Apache-2.0
"""Makes of an exported model one with measured numbers in its ModelSpec, and the scores that it then gives.

Calibration and operating points of all heads are tightened until the answers on whole files keep the rate, peaks and
all. Peaks are fitted on long files joined from the clips, at a part of that rate. Then streams are let in that may
make a file fake beside the fused head, within the same rate.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cad.data.manifest import Manifest
from cad.detector import Detector
from cad.errors import ExportError
from cad.evaluation.calibration.by_domain import ROUNDS, TIGHTENING
from cad.evaluation.calibration.clips import AnalysedPart, CalibrationClips, Say, gather_clips
from cad.evaluation.calibration.domains import FACE_HEADS, fit_domains, without_domains
from cad.evaluation.calibration.file_answers import charged_files, is_called_fake, of_frames, with_peaks
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.peaks import face_growth
from cad.evaluation.calibration.platt import choose_operating_point, fit_platt
from cad.evaluation.calibration.standing_alone import DOMAIN, let_stand_alone
from cad.evaluation.detector_scorer import file_score, scorer_identity
from cad.evaluation.records import FileScore
from cad.evaluation.scorelog import write_log
from cad.options import DetectOptions
from cad.spec import HEADS, METADATA_KEY, ModelSpec
from cad.verdict.calibrate import platt
from cad.weights.registry import MANIFEST_NAME
from cad.whole_files import written_beside


def calibrate(
    model: Path,
    manifest: Manifest,
    output: Path,
    name: str,
    options: CalibrationOptions,
    say: Say,
    further: Manifest | None = None,
) -> dict[str, object]:
    """Write the calibrated model and its scores, and return the figures on the data that it was calibrated on.

    Args:
        model: ONNX file with a ModelSpec in its metadata; its graph is not changed.
        manifest: Clips with their labels.
        output: Where the calibrated file goes; ``<stem>.scores.jsonl`` beside it takes the scores of the split.
        name: Of the calibrated weights.
        options: How.
        say: Called with lines of progress.
        further: Clips whose genuine ones are fitted on, too, where the highest of many is concerned.

    Raises:
        CadError: The model cannot be run, the split cannot be used, or no thresholds keep the rate.
    """
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        weights = opened_folder(model, Path(folder) / name)
        detector = Detector(DetectOptions(model=str(weights), threads=options.threads))
        desync_clips = None if options.keep_heads else options.desync_clips
        clips = gather_clips(
            detector, manifest, options.split, options.clips, desync_clips, say, further, options.still_frames
        )
    counts = f"{len(clips.plain.rows)} clips and {len(clips.copies.rows)} re-encoded genuine copies"
    if clips.further is not None:
        counts += f", for peaks and several faces {len(clips.further.rows)} more genuine ones"
    start = replace(detector.spec, name=name)
    spec, figures = fit_spec(start, clips, options, f"{options.split}: {counts}", say)
    spec, by_domain = fit_domains(spec, clips, options, options.split, say)
    figures["domains"] = by_domain
    if not options.keep_heads:
        files = charged_files(clips.of_domain(DOMAIN), spec)
        on = f"{options.split}, {DOMAIN}: {len(files.labels)} files and re-encoded genuine copies"
        spec, figures["standing_alone"] = let_stand_alone(spec, files, options.max_fpr, options.domain_rows, on)
    sha256 = write_model(model, output, spec)
    identity = scorer_identity(detector.nets | {name: sha256})  # the detector was opened under that name
    write_log(output.with_suffix(".scores.jsonl"), identity, _scores(clips.plain, spec))
    return {"name": name, "sha256": sha256, **figures, "spec": json.loads(spec.to_json())}


def fit_spec(
    spec: ModelSpec, clips: CalibrationClips, options: CalibrationOptions, chosen_on: str, say: Say
) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with new numbers, and the figures that these have on the clips they were chosen on.

    Args:
        spec: Of the model that measured the clips; a head without rows of both classes keeps its numbers.
        clips: What is fitted on.
        options: Whose rates the operating points are chosen for.
        chosen_on: One line on the data, kept in the spec.
        say: Called with heads that keep their numbers.

    Raises:
        ExportError: After ROUNDS rounds of tightening too many genuine files are still called fake.
    """
    spec = spec if options.keep_heads else without_domains(spec)
    found = {} if options.keep_heads else {head: clips.head_logits(head) for head in HEADS}
    for head in [head for head, (_, labels) in found.items() if len(set(labels.tolist())) < 2]:
        say(f"{head}: no rows of both classes; its numbers stay as they are")
        del found[head]
    fitted = {head: fit_platt(*logits) for head, logits in found.items()}
    heads = {**spec.calibration, **fitted}
    growths = {head: face_growth(clips.lone_faces(head)) for head in FACE_HEADS if head in heads}
    heads |= {head: replace(heads[head], growth=growth) for head, growth in growths.items()}
    real, allowed, figures = clips.genuine(), options.max_fpr, {}
    for _ in range(ROUNDS):
        chosen = {
            head: choose_operating_point(platt(logits, fitted[head]), labels, allowed, options.max_miss, chosen_on)
            for head, (logits, labels) in found.items()
        }
        points = {head: point for head, (point, _) in chosen.items()}
        result = replace(
            spec,
            calibration={**heads, **of_frames(fitted, points, real, options.max_fpr)},
            operating_points={**spec.operating_points, **points},
        )
        result, peaks = with_peaks(result, clips, options.max_fpr, chosen_on)
        rate = sum(is_called_fake(analysis, result) for analysis in real) / max(len(real), 1)
        figures = {
            "genuine_files": len(real),
            "false_positive_rate_of_files": round(rate, 4),
            "head_rate_allowed": round(allowed, 4),
            "heads": {head: costs for head, (_, costs) in chosen.items()},
            "growth_over_faces": {head: round(growth, 4) for head, growth in growths.items()},
            "peaks": peaks,
            "unreadable": clips.unreadable,
        }
        if rate <= options.max_fpr:
            return result, figures
        allowed *= TIGHTENING
    raise ExportError(f"no operating point keeps {options.max_fpr:.3f} of genuine files: {figures}")


def opened_folder(model: Path, folder: Path) -> Path:
    """Return a folder of weights that holds ``model``, as the detector wants it."""
    content = model.read_bytes()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    manifest = {"kind": "detector", "file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def write_model(model: Path, output: Path, spec: ModelSpec) -> str:
    """Write ``model`` with ``spec`` in its metadata and return the new sha256."""
    import onnx

    graph = onnx.load(str(model))
    kept = {entry.key: entry.value for entry in graph.metadata_props if entry.key != METADATA_KEY}
    onnx.helper.set_model_props(graph, {**kept, METADATA_KEY: spec.to_json()})
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(output) as part:  # it may be the model itself that is written over
        onnx.save(graph, str(part))
    return hashlib.sha256(output.read_bytes()).hexdigest()


def _scores(part: AnalysedPart, spec: ModelSpec) -> Iterable[FileScore]:
    """Yield what the product says of each clip under the new numbers."""
    for path, found in zip(part.rows["path"], part.found, strict=True):
        yield FileScore(path, "error", error=found) if isinstance(found, str) else file_score(path, found, spec)
