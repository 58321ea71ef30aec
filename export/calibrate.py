# SPDX-License-Identifier: Apache-2.0
"""Calibrate a model on validation clips and write it with a new ModelSpec inside.

    python export/calibrate.py MODEL.onnx --manifest ../shared/data/manifest.csv --split val -o OUT.onnx

The detector scores every clip of the split as the product does, and the genuine ones a second time after re-encoding
(H.264 and AAC, or Opus for sound alone). On the raw clip logits a Platt scaling is fitted for each head; operating
points are chosen so that at most --max-fpr of the genuine clips (re-encoded copies included) are called fake, by each
head and by the product's answer for the whole file. The sync head is calibrated on clips cut out of step and dubbed,
against controls cut alike. OUT.scores.jsonl holds the scores under the new numbers, in the form that
tools/evaluate.py goes on from.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cad.data.manifest import Manifest, read_manifest
from cad.detector import Detector
from cad.errors import CadError, DataError, ExportError, MediaError
from cad.evaluation.detector_scorer import file_score, scorer_identity
from cad.evaluation.parts import Part, parts_of
from cad.evaluation.perturb.catalogue import Perturbation, perturb_file
from cad.evaluation.perturb.writer import Encoding
from cad.evaluation.platt import Chosen, choose_operating_point, fit_platt, frame_calibration, probabilities_of
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.records import FileScore
from cad.evaluation.views import View, has_picture, views_of
from cad.options import DetectOptions
from cad.spec import HEADS, METADATA_KEY, STREAMS, Calibration, ModelSpec
from cad.verdict.analysis import Analysis
from cad.verdict.segments import smooth
from cad.verdict.timeline import stream_timelines

REENCODED_VIDEO = Perturbation(encoding=Encoding("h264", 30, "aac", 64_000))
REENCODED_SOUND = Perturbation(encoding=Encoding(audio="opus", bit_rate_bps=24_000))
SHIFTS_SECONDS = (-0.4, 0.4)
#: Each round of tightening leaves this share of the rate that a head may spend.
TIGHTENING = 0.8
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Scored:
    """One analysed clip: what it is called, whether it is forged, and what was measured (None if unreadable)."""

    path: str
    analysis: Analysis | None
    error: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data."""
    options = parse(arguments)
    try:
        print(json.dumps(calibrate(options), indent=1))
    except (CadError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", type=Path, help="ONNX file with a ModelSpec in its metadata")
    add("--manifest", type=Path, required=True)
    add("--root", type=Path)
    add("--split", default="val")
    add("-o", "--output", type=Path, required=True, help="where the calibrated ONNX file goes")
    add("--name", help="name of the calibrated weights (default: the output's stem)")
    add("--max-fpr", type=float, default=0.05, help="highest share of genuine clips that may be called fake")
    add("--max-miss", type=float, default=0.1, help="share of fakes that may be called real")
    add("--desync-clips", type=int, default=40, help="genuine clips from which the sync head's fakes are made")
    add("--clips", type=int, default=0, help="at most so many rows of each class (0 = all)")
    add("--threads", type=int, default=0)
    return parser.parse_args(arguments)


def calibrate(options: argparse.Namespace) -> dict[str, object]:
    """Calibrate and write; return the figures that the operating points have on the data they were chosen on."""
    name = options.name or options.output.stem
    manifest = read_manifest(options.manifest, options.root)
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        detector = Detector(DetectOptions(model=str(weights_folder(options.model, Path(folder) / name)),
                                          threads=options.threads))  # fmt: skip
        plain = part_of(Kind.CONDITIONS, options, manifest)
        copies = reencoded(plain)
        desync = desync_part(options, manifest, plain)
        analyses = {part.name: list(analyse(detector, part)) for part in (plain, copies, desync)}
    settings = Settings(options.max_fpr, options.max_miss, chosen_on(options, plain, copies))
    spec, figures = fit(detector.spec, name, (plain, copies, desync), analyses, settings)
    sha = write_spec(options.model, options.output, spec)
    write_scores(options.output, scorer_identity(name, sha), analyses[plain.name], spec)
    return {"name": name, "sha256": sha, **figures, "spec": json.loads(spec.to_json())}


@dataclass(frozen=True, slots=True)
class Settings:
    """For which rates operating points are chosen, and on what."""

    max_fpr: float
    max_miss: float
    chosen_on: str


def weights_folder(model: Path, folder: Path) -> Path:
    """Return a folder of weights that holds ``model``, as the detector wants it."""
    content = model.read_bytes()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    manifest = {"kind": "detector", "file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def part_of(kind: Kind, options: argparse.Namespace, manifest: Manifest, clips: int | None = None) -> Part:
    """Return the rows of one kind of protocol as a single part."""
    import pandas

    protocol = Protocol(
        name=f"calibrate-{kind}", kind=kind, title="", split=options.split, shifts_seconds=SHIFTS_SECONDS,
        clips=options.clips if clips is None else clips,
    )  # fmt: skip
    parts = list(parts_of(protocol, {"val": manifest}))
    rows = pandas.concat([part.rows for part in parts], ignore_index=True)
    makes = {path: make for part in parts for path, make in part.makes.items()}
    # The control of a shift stands beside the shift; the same control of two parts counts once.
    return Part(str(kind), rows.drop_duplicates("path", ignore_index=True), manifest.root, makes, {})


def desync_part(options: argparse.Namespace, manifest: Manifest, plain: Part) -> Part:
    """Return clips cut out of step and in step; no rows where no genuine clip has picture and sound for long enough."""
    try:
        return part_of(Kind.DESYNC, options, manifest, clips=options.desync_clips)
    except DataError as error:
        print(f"calibrate: sync: {error}", file=sys.stderr)
        return Part(str(Kind.DESYNC), plain.rows.iloc[:0], plain.root, {}, {})


def reencoded(plain: Part) -> Part:
    """Return the genuine rows as copies that a platform would make."""
    from functools import partial

    real = plain.rows[plain.rows["label"] == 0]
    makes = {}
    for path, seen in zip(real["path"], has_picture(real), strict=True):
        change = REENCODED_VIDEO if seen else REENCODED_SOUND
        makes[f"{path}#copy"] = partial(perturb_file, plain.root / path, change=change)
    return Part("copies", real.assign(path=list(makes)), plain.root, makes, {})


def analyse(detector: Detector, part: Part) -> Iterator[Scored]:
    """Yield what the detector measures of each row, made if it must be; progress goes to standard error."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        for number, path in enumerate(part.rows["path"], start=1):
            yield analyse_one(detector, part, path, Path(folder))
            if number % 25 == 0 or number == len(part.rows):
                spent = time.monotonic() - start
                print(f"{part.name}: {number}/{len(part.rows)} after {spent:.0f} s", file=sys.stderr, flush=True)


def analyse_one(detector: Detector, part: Part, path: str, folder: Path) -> Scored:
    """Return what the detector measures of one row; an unreadable one is counted, not fatal."""
    file, made = part.root / path, None
    try:
        if path in part.makes:
            file = made = part.makes[path](target=folder / "clip")
        return Scored(path, detector.analyse(file))
    except MediaError as error:
        return Scored(path, None, error.code)
    except CadError as error:
        print(f"calibrate: {path}: {error}", file=sys.stderr)
        return Scored(path, None, "not_made")
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def fit(
    spec: ModelSpec, name: str, parts: tuple[Part, Part, Part], analyses: Mapping[str, list[Scored]], settings: Settings
) -> tuple[ModelSpec, dict[str, object]]:
    """Return the calibrated spec and its figures, tightened until the answers for whole files keep the rate too."""
    plain, copies, desync = parts
    found = {head: head_logits(head, desync if head == "sync" else plain, copies, analyses) for head in HEADS}
    one_class = [head for head, (_, labels) in found.items() if len(set(labels.tolist())) < 2]
    for head in one_class:
        print(f"calibrate: {head}: no rows of both classes; its numbers stay as they are", file=sys.stderr)
        del found[head]
    calibration = {head: fit_platt(*logits) for head, logits in found.items()}
    allowed, figures = settings.max_fpr, {}
    real = [item for item in (*genuine(plain, analyses), *genuine(copies, analyses)) if item.analysis is not None]
    for _ in range(ROUNDS):
        chosen = {
            head: choose_operating_point(
                probabilities_of(logits, calibration[head]), labels, allowed, settings.max_miss, settings.chosen_on
            )
            for head, (logits, labels) in found.items()
        }
        result = dataclasses.replace(
            spec,
            name=name,
            calibration={**spec.calibration, **calibration, **frames(calibration, chosen, real, settings.max_fpr)},
            operating_points={**spec.operating_points, **{head: choice.point for head, choice in chosen.items()}},
        )
        rate = called_fake(real, result)
        figures = {
            "genuine_files": len(real),
            "false_positive_rate_of_files": round(rate, 4),
            "head_rate_allowed": round(allowed, 4),
            "heads": {head: figures_of(choice, found[head][1]) for head, choice in chosen.items()},
            "unreadable": sum(item.analysis is None for items in analyses.values() for item in items),
        }
        if rate <= settings.max_fpr:
            return result, figures
        allowed *= TIGHTENING
    raise ExportError(f"no operating point keeps {settings.max_fpr:.3f} of genuine files: {figures}")


def head_logits(
    head: str, part: Part, copies: Part, analyses: Mapping[str, list[Scored]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and labels of the rows that count for a head, genuine re-encoded copies among them."""
    logits, labels = [], []
    for source in (part,) if head == "sync" else (part, copies):
        view = view_of(head, source)
        if view is None:
            continue
        for item, counts, label in zip(analyses[source.name], view.mask, view.labels, strict=True):
            logit = item.analysis.clip_logits[head] if item.analysis is not None and counts else None
            if logit is not None:
                logits.append(logit)
                labels.append(label)
    return np.array(logits, dtype=np.float64), np.array(labels, dtype=np.int8)


def view_of(head: str, part: Part) -> View | None:
    """Return which rows count for a head (``views_of`` says why), or None if no row does."""
    return next((view for view in views_of(part.rows) if view.head == head), None)


def genuine(part: Part, analyses: Mapping[str, list[Scored]]) -> Iterable[Scored]:
    """Return the genuine rows of a part."""
    return [item for item, label in zip(analyses[part.name], part.rows["label"], strict=True) if label == 0]


def frames(
    calibration: Mapping[str, Calibration], chosen: Mapping[str, Chosen], real: Sequence[Scored], max_fpr: float
) -> dict[str, Calibration]:
    """Return the calibration of frame logits of each stream."""
    highest: dict[str, list[float]] = {stream: [] for stream in STREAMS}
    for item in real:
        assert item.analysis is not None
        for stream, line in stream_timelines(item.analysis.scores, item.analysis.slots).items():
            smoothed = smooth(line)
            if not np.isnan(smoothed).all():
                highest[stream].append(float(np.nanmax(smoothed)))
    return {
        f"{stream}_frame": frame_calibration(
            calibration[stream], np.array(values), chosen[stream].point.fake_threshold, max_fpr
        )
        for stream, values in highest.items()
        if values and stream in calibration
    }


def called_fake(real: Sequence[Scored], spec: ModelSpec) -> float:
    """Return the share of genuine files that the product would call fake under ``spec``."""
    answers = [file_score(item.path, dataclasses.replace(item.analysis, spec=spec)).answer for item in real]
    return answers.count("fake") / max(len(answers), 1)


def figures_of(choice: Chosen, labels: np.ndarray) -> dict[str, object]:
    """Return an operating point's figures as plain values."""
    return {
        "real": int((labels == 0).sum()),
        "fake": int((labels == 1).sum()),
        "false_positive_rate": round(choice.false_positive_rate, 4),
        "true_positive_rate": round(choice.true_positive_rate, 4),
        "inconclusive_real": round(choice.inconclusive_real, 4),
        "miss_rate": round(choice.miss_rate, 4),
    }


def chosen_on(options: argparse.Namespace, plain: Part, copies: Part) -> str:
    """Return one line on the data, for the spec."""
    return f"{options.split}: {len(plain.rows)} clips and {len(copies.rows)} re-encoded genuine copies"


def write_spec(model: Path, output: Path, spec: ModelSpec) -> str:
    """Write ``model`` with ``spec`` in its metadata and return the new sha256."""
    import onnx

    graph = onnx.load(str(model))
    kept = {entry.key: entry.value for entry in graph.metadata_props if entry.key != METADATA_KEY}
    onnx.helper.set_model_props(graph, {**kept, METADATA_KEY: spec.to_json()})
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, str(output))
    return hashlib.sha256(output.read_bytes()).hexdigest()


def write_scores(output: Path, identity: str, items: Sequence[Scored], spec: ModelSpec) -> None:
    """Write the scores of the split under the new numbers as a log that the evaluation goes on from."""
    lines = [json.dumps({"scorer": identity})]
    for item in items:
        if item.analysis is None:
            score = FileScore(item.path, "error", error=item.error)
        else:
            score = file_score(item.path, dataclasses.replace(item.analysis, spec=spec))
        lines.append(json.dumps(score.to_json()))
    output.with_suffix(".scores.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
