# SPDX-License-Identifier: Apache-2.0
"""Checks of a manifest for training and scoring: each finding is counted and named, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cad.data.manifest import Manifest, parse_segments, raise_problems, shared_identities, shared_values
from cad.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from cad.data.shards import ClipEntry

EXAMPLES = 3
#: Training learns from the first and is judged on the second; rows of other splits are passed over.
TRAINING_SPLITS = ("train", "val")
TRAINING_COLUMNS = ("path", "label", "video_fake", "audio_fake", "identity", "source", "split")
#: A stretch may end this much after the declared end: sets round durations.
SEGMENT_TOLERANCE_SECONDS = 0.1


class Severity(StrEnum):
    """Whether figures keep their meaning despite a finding (warning) or not (error)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of error in a manifest: a stable ``code``, how often it occurs, and a few examples."""

    severity: Severity
    code: str
    text: str
    count: int
    examples: tuple[str, ...]


def check_manifest(
    manifest: Manifest, split: str | None = None, *, hashes: bool = False, near_duplicates: bool = False
) -> list[Finding]:
    """Return everything that is wrong with a manifest.

    Args:
        manifest: All its rows; identities are compared across splits.
        split: The split that will be scored; its classes, files and stretches are checked. None checks all rows.
        hashes: Also hash every file of the split.
        near_duplicates: Also compare pictures and sound across splits (decodes every file).

    Raises:
        DataError: The split has no rows.
    """
    chosen = manifest.select(split)
    findings = [
        *_missing_classes(chosen.rows),
        *_missing_files(chosen),
        *(_wrong_hashes(chosen) if hashes else ()),
        *_on_two_sides(manifest.rows),
        *_bad_segments(chosen.rows),
    ]
    if near_duplicates:
        from cad.data.benchmarks.near_duplicates import find_near_duplicates

        pairs = find_near_duplicates(manifest)
        findings += _finding(
            Severity.WARNING, "near_duplicate", "clips that look or sound alike are on two sides of a split",
            [f"{pair.first} ~ {pair.second} ({pair.medium}, {pair.distance} of {pair.bits} bits)" for pair in pairs],
        )  # fmt: skip
    return sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)


def findings_text(name: str, findings: Sequence[Finding]) -> str:
    """Return the findings as lines for a person."""
    if not findings:
        return f"{name}: checks passed"
    lines = [f"{name}: {len(findings)} finding(s)"]
    for finding in findings:
        examples = "; ".join(finding.examples)
        lines.append(f"  {finding.severity}: {finding.code}: {finding.count} times: {finding.text}: {examples}")
    return "\n".join(lines)


def refuse_errors(name: str, findings: Sequence[Finding]) -> None:
    """Refuse to go on where a finding makes figures meaningless.

    Raises:
        DataError: There is a finding of severity error.
    """
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise DataError(findings_text(name, errors))


def check_training(manifest: Manifest, clips: Mapping[str, ClipEntry], where: str, *, files: bool) -> None:
    """Check that a model can be trained on the rows of ``TRAINING_SPLITS`` and judged on the second of them.

    Args:
        manifest: Rows of these splits alone.
        clips: What the shards hold, by path.
        where: Names the manifest in the message.
        files: Also look for the files under the manifest's root.

    Raises:
        DataError: A split is empty or has one class only, a person is in both, a path occurs twice, a row has no clip
            or one with nothing to see or hear, or a file is missing or empty; the message names the rows.
    """
    problems: dict[str, Sequence[str]] = {"path occurs twice": manifest.repeated_paths}
    for split in TRAINING_SPLITS:
        rows = manifest.rows[manifest.rows["split"] == split]
        labels = {"fake" if label else "real" for label in rows["label"]}
        if len(labels) < 2:
            problem = f"{split} has only {labels.pop()} rows" if labels else f"{split} has no rows"
            problems[problem] = rows["path"].tolist() or ["-"]
    problems["person on both sides of the split"] = [
        f"{name} ({' and '.join(sides[split] for split in TRAINING_SPLITS)})"
        for name, sides in shared_identities(manifest.rows).items()
    ]
    known = [(path, clips.get(path)) for path in manifest.rows["path"]]
    problems["no clip in the shards"] = [path for path, clip in known if clip is None]
    problems["zero-length clip"] = [path for path, clip in known if clip and not (clip.has_frames or clip.has_audio)]
    problems["missing or empty file"] = missing_files(manifest) if files else []
    raise_problems(where, problems)


def missing_files(manifest: Manifest) -> list[str]:
    """Return the paths of rows whose file or folder is not there, or is a file without a byte."""
    files = ((path, manifest.file(path)) for path in manifest.rows["path"])
    return [path for path, file in files if not file.is_dir() and not (file.is_file() and file.stat().st_size)]


def file_sha256(file: Path) -> str:
    """Return the sha256 of a file's bytes, lower-case hex; that of a folder covers its files in order."""
    digest = sha256()
    for part in sorted(file.rglob("*")) if file.is_dir() else [file]:
        if part.is_file():
            with part.open("rb") as stream:
                file_digest(stream, lambda: digest)
    return digest.hexdigest()


def _finding(severity: Severity, code: str, text: str, cases: Sequence[str]) -> list[Finding]:
    return [Finding(severity, code, text, len(cases), tuple(cases[:EXAMPLES]))] if cases else []


def _missing_classes(rows: pd.DataFrame) -> list[Finding]:
    present = set(rows["label"].tolist())
    missing = [name for label, name in ((0, "real"), (1, "fake")) if label not in present]
    return _finding(Severity.ERROR, "one_class", "no ranking can be measured without both classes", missing)


def _missing_files(manifest: Manifest) -> list[Finding]:
    missing = missing_files(manifest)
    every = len(missing) == len(manifest.rows)
    text = "not one file is there; check --root" if every else "files are not on disk, or empty"
    return _finding(Severity.ERROR if every else Severity.WARNING, "missing_file", text, missing)


def _wrong_hashes(manifest: Manifest) -> list[Finding]:
    rows = manifest.rows
    wrong = [
        path
        for path, stated in zip(rows["path"], rows["sha256"], strict=True)
        if stated and manifest.file(path).exists() and file_sha256(manifest.file(path)) != stated
    ]
    return _finding(Severity.ERROR, "wrong_hash", "the file is not the one that the manifest was made from", wrong)


def _on_two_sides(rows: pd.DataFrame) -> list[Finding]:
    return [
        *_finding(Severity.ERROR, "identity_on_two_sides", "people are on two sides", sorted(shared_identities(rows))),
        # A cloned voice on two sides is worth a warning, though it leaks no face.
        *_finding(
            Severity.WARNING, "voice_on_two_sides", "voices (also cloned ones) are on two sides",
            sorted(shared_values(rows, "identity")),
        ),
        *_finding(
            Severity.WARNING, "pair_on_two_sides", "events or utterances are on two sides",
            sorted(shared_values(rows, "pair_id")),
        ),
    ]  # fmt: skip


def _bad_segments(rows: pd.DataFrame) -> list[Finding]:
    stated = rows[rows["fake_segments"] != ""]
    bad, on_real = [], []
    for path, text, seconds, label in zip(
        stated["path"], stated["fake_segments"], stated["duration_seconds"], stated["label"], strict=True
    ):
        if not _segments_fit(text, seconds):
            bad.append(f"{path} {text}")
        if label == 0:
            on_real.append(path)
    return [
        *_finding(Severity.ERROR, "bad_segments", "stretches are empty or outside their clip", bad),
        *_finding(Severity.ERROR, "segments_on_real", "genuine rows have forged stretches", on_real),
    ]


def _segments_fit(text: str, seconds: float) -> bool:
    try:
        segments: Iterable[tuple[float, float]] = parse_segments(text)
    except DataError:
        return False
    last = seconds + SEGMENT_TOLERANCE_SECONDS if seconds > 0 else float("inf")
    return all(0 <= start < stop <= last for start, stop in segments)
