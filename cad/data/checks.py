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
    rows, absent = chosen.rows, missing_files(chosen)
    stated = rows[rows["fake_segments"] != ""]
    error, warning = Severity.ERROR, Severity.WARNING
    absence = (warning, "missing_file", "files are not on disk, or empty")
    if len(absent) == len(rows):
        absence = (error, "missing_file", "not one file is there; check --root")
    cases: dict[tuple[Severity, str, str], Sequence[str]] = {
        (error, "one_class", "no ranking can be measured without both classes"): _missing_classes(rows),
        absence: absent,
        (error, "wrong_hash", "the file is not the one that the manifest was made from"): (
            _with_other_bytes(chosen) if hashes else ()
        ),
        (error, "identity_on_two_sides", "people are on two sides"): sorted(shared_identities(manifest.rows)),
        # A cloned voice on two sides is worth a warning, though it leaks no face.
        (warning, "voice_on_two_sides", "voices (also cloned ones) are on two sides"): sorted(
            shared_values(manifest.rows, "identity")
        ),
        (warning, "pair_on_two_sides", "events or utterances are on two sides"): sorted(
            shared_values(manifest.rows, "pair_id")
        ),
        (error, "bad_segments", "stretches are empty or outside their clip"): _bad_segments(stated),
        (error, "segments_on_real", "genuine rows have forged stretches"): list(stated["path"][stated["label"] == 0]),
        (warning, "near_duplicate", "clips that look or sound alike are on two sides of a split"): (
            _alike(manifest) if near_duplicates else ()
        ),
    }
    found = [Finding(*kind, len(paths), tuple(paths[:EXAMPLES])) for kind, paths in cases.items() if paths]
    return sorted(found, key=lambda finding: finding.severity is not error)


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


def check_training(manifest: Manifest, clips: Mapping[str, ClipEntry], where: str) -> list[str]:
    """Check that a model can be trained on the rows of ``TRAINING_SPLITS`` and judged on the second of them.

    Args:
        manifest: Rows of these splits alone.
        clips: What the shards hold, by path.
        where: Names the manifest in the message.

    Returns:
        People who are in both splits, with a row in each: official splits may share people, which flatters val.

    Raises:
        DataError: A split is empty or has one class only, or a row has no clip or one with nothing to see or hear; the
            message names the rows.
    """
    problems: dict[str, Sequence[str]] = {}
    for split in TRAINING_SPLITS:
        rows = manifest.rows[manifest.rows["split"] == split]
        labels = {"fake" if label else "real" for label in rows["label"]}
        if len(labels) < 2:
            problem = f"{split} has only {labels.pop()} rows" if labels else f"{split} has no rows"
            problems[problem] = rows["path"].tolist() or ["-"]
    known = [(path, clips.get(path)) for path in manifest.rows["path"]]
    problems["no clip in the shards"] = [path for path, clip in known if clip is None]
    problems["zero-length clip"] = [path for path, clip in known if clip and not (clip.has_frames or clip.has_audio)]
    raise_problems(where, problems)
    return [
        f"{name} ({' and '.join(sides[split] for split in TRAINING_SPLITS)})"
        for name, sides in shared_identities(manifest.rows).items()
    ]


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


def _missing_classes(rows: pd.DataFrame) -> list[str]:
    present = set(rows["label"].tolist())
    return [name for label, name in ((0, "real"), (1, "fake")) if label not in present]


def _with_other_bytes(manifest: Manifest) -> list[str]:
    stated = manifest.rows.loc[manifest.rows["sha256"] != "", ["path", "sha256"]]
    files = ((path, manifest.file(path), sha256) for path, sha256 in stated.itertuples(index=False))
    return [path for path, file, sha256 in files if file.exists() and file_sha256(file) != sha256]


def _alike(manifest: Manifest) -> list[str]:
    from cad.data.benchmarks.near_duplicates import find_near_duplicates

    pairs = find_near_duplicates(manifest)
    return [f"{pair.first} ~ {pair.second} ({pair.medium}, {pair.distance} of {pair.bits} bits)" for pair in pairs]


def _bad_segments(stated: pd.DataFrame) -> list[str]:
    rows = stated[["path", "fake_segments", "duration_seconds"]].itertuples(index=False)
    return [f"{path} {text}" for path, text, seconds in rows if not _segments_fit(text, seconds)]


def _segments_fit(text: str, seconds: float) -> bool:
    try:
        segments: Iterable[tuple[float, float]] = parse_segments(text)
    except DataError:
        return False
    last = seconds + SEGMENT_TOLERANCE_SECONDS if seconds > 0 else float("inf")
    return all(0 <= start < stop <= last for start, stop in segments)
