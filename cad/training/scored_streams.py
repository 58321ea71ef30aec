# SPDX-License-Identifier: Apache-2.0
"""Gives the fit of the fusion its files: the streams' logits from logs of scores, and from the manifest what is true.

The logs are those of tools/evaluate.py (``scores/*.jsonl``; of the protocols ``manifest`` and ``desync``) and of
export/calibrate.py (``*.scores.jsonl``), so that no file is scored for the fit alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import UNKNOWN, Manifest, Row
from cad.errors import DataError
from cad.evaluation.records import FileScore
from cad.evaluation.scorelog import read_log
from cad.metrics.score_counts import identity_codes
from cad.spec import STREAMS
from cad.values import ValueRecord

#: How a protocol names a genuine clip that it cut in step, and beginnings of the names of those out of step.
IN_STEP, OUT_OF_STEP = "in step", ("shift", "dub")
#: Clips that were cut from genuine files, and their controls.
OUT_OF_STEP_KIND, CONTROL_KIND = "out of step", "genuine, cut in step"
#: What is forged in a file, and what a genuine one is: the kinds that the fit weighs alike.
KINDS = (
    "replaced voice", "forged picture", OUT_OF_STEP_KIND, "forged recording", "genuine face", CONTROL_KIND,
    "genuine recording",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoredStreams(ValueRecord):
    """Files with what each stream says of them.

    Attributes:
        paths: As in the log.
        logits: float64 (files, 3) raw clip logit of video, audio, sync; 0 where the stream was not judged.
        present: bool (files, 3) whether it was.
        truth: int8 (files, 3) 1 forged, 0 genuine, -1 unknown.
        label: int8 (files,) 1 fake, 0 real.
        kind: (files,) one of KINDS.
        source: (files,) page or corpus.
        identity: int64 (files,) code of whose clip it is.
        fused: float64 (files,) the logit of the model's own fused head; NaN where it was not judged.
    """

    paths: tuple[str, ...]
    logits: NDArray[np.float64]
    present: NDArray[np.bool_]
    truth: NDArray[np.int8]
    label: NDArray[np.int8]
    kind: NDArray[np.str_]
    source: NDArray[np.str_]
    identity: NDArray[np.int64]
    fused: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> ScoredStreams:
        """Return the files for which ``mask`` (bool, one a file) holds."""
        kept = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name != "paths"}
        paths = tuple(path for path, is_kept in zip(self.paths, mask, strict=True) if is_kept)
        return ScoredStreams(paths=paths, **kept)


def read_scored(manifest: Manifest, logs: Sequence[Path], splits: Sequence[str] = ()) -> ScoredStreams:
    """Return the files of some logs with their truth; files that could not be read or judged are left out.

    Args:
        manifest: Says what is true of the files, and of the clips that a protocol cut from them.
        logs: Of one and the same model.
        splits: Of which the files must be; empty for all.

    Raises:
        DataError: A log cannot be read or is another model's than the first, or no file is left.
    """
    scores: dict[str, FileScore] = {}
    scorer = None
    for log in logs:
        if not log.is_file():
            raise DataError(f"there is no log of scores at {log}; tools/evaluate.py writes one")
        own = scorer_of(log)
        if scorer not in (None, own):
            raise DataError(f"{log} holds scores of {own}, not of {scorer}: they cannot be joined")
        scorer = own
        scores |= read_log(log)
    rows = {row.path: row for row in manifest.records() if not splits or row.split in splits}
    found: list[tuple[FileScore, Row, tuple[int, int, int]]] = []
    for path, score in scores.items():
        clip, _, cut = path.partition("#")
        if (row := rows.get(clip)) is None or not any(score.logit.get(stream) is not None for stream in STREAMS):
            continue
        if (truth := truth_of(row, cut)) is not None:
            found.append((score, row, truth))
    if not found:
        raise DataError(
            f"none of the {len(scores)} files in {', '.join(map(str, logs))} is a judged row of the manifest"
        )
    return _gathered(found)


def scorer_of(log: Path) -> str:
    """Return what names the model in a log of scores: weights and nets with their sha256.

    Raises:
        DataError: It is no such log.
    """
    try:
        with log.open(encoding="utf-8") as stream:
            return str(json.loads(stream.readline())["scorer"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{log} is not a log of scores: {error}") from error


def truth_of(row: Row, cut: str = "") -> tuple[int, int, int] | None:
    """Return whether picture, sound and their synchrony are forged (1), genuine (0) or unknown (-1).

    The synchrony of forged files is unknown: a voice that was made for the lips fits them, a dubbed one does not.

    Args:
        row: Of the file.
        cut: How a protocol cut a clip from it; empty for the file as it lies.

    Returns:
        None for a cut that says nothing of synchrony (a splice, a degraded copy).
    """
    if cut:
        if row.is_fake or not (cut == IN_STEP or cut.startswith(OUT_OF_STEP)):
            return None
        return 0, 0, int(cut != IN_STEP)
    if not row.is_fake:
        return 0, 0, 0
    return row.video_fake, row.audio_fake, UNKNOWN


def kind_of(truth: tuple[int, int, int], has_picture: bool, is_fake: bool, is_cut: bool = False) -> str:
    """Return what is forged; of a fake whose flags are unknown the picture where it has one.

    Example:
        >>> kind_of((0, 1, -1), True, True), kind_of((-1, 1, -1), False, True), kind_of((0, 0, 0), True, False)
        ('replaced voice', 'forged recording', 'genuine face')
    """
    video, audio, sync = truth
    if is_cut:
        return OUT_OF_STEP_KIND if sync == 1 else CONTROL_KIND
    if not is_fake:
        return "genuine face" if has_picture else "genuine recording"
    if not has_picture:
        return "forged recording"
    return "replaced voice" if audio == 1 and video == 0 else "forged picture"


def _gathered(found: Sequence[tuple[FileScore, Row, tuple[int, int, int]]]) -> ScoredStreams:
    logits = np.array([[score.logit.get(stream) for stream in STREAMS] for score, *_ in found], dtype=np.float64)
    fused = np.array([score.logit.get("fused") for score, *_ in found], dtype=np.float64)
    present = ~np.isnan(logits)
    truth = np.array([truth for *_, truth in found], dtype=np.int8)
    label = np.array([max(row.label, truth[2]) for _, row, truth in found], dtype=np.int8)
    kinds = [
        kind_of(known, bool(seen[0]) or row.video_fake != UNKNOWN, bool(fake), "#" in score.path)
        for (score, row, known), seen, fake in zip(found, present, label, strict=True)
    ]
    return ScoredStreams(
        paths=tuple(score.path for score, *_ in found),
        logits=np.where(present, logits, 0.0),
        present=present,
        truth=truth,
        label=label,
        kind=_texts(kinds),
        source=_texts([row.source for _, row, _ in found]),
        identity=identity_codes([row.identity for _, row, _ in found]),
        fused=fused,
    )


def _texts(values: Sequence[str]) -> NDArray[Any]:
    return np.array(values, dtype=np.str_)
