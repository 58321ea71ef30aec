# SPDX-License-Identifier: Apache-2.0
"""Keeps scores as they come, one JSON line a file, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from cad.errors import DataError
from cad.evaluation.part import Part
from cad.evaluation.records import FileScore, FileScorer

#: Called before each file with (files done, files in all, path).
Progress = Callable[[int, int, str], None]


def score_part(part: Part, scorer: FileScorer, log: Path, progress: Progress | None = None) -> list[FileScore]:
    """Return the scores of a part's rows, scoring only those not in ``log`` yet.

    Args:
        part: What to score; files that must be made for it are made one at a time.
        scorer: What scores.
        log: JSON lines; the first names the scorer, so that scores of two models never mix.
        progress: Called before each file.

    Raises:
        DataError: The log holds another scorer's scores.
    """
    paths = part.rows["path"].tolist()
    known = read_log(log, scorer.identity)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream, tempfile.TemporaryDirectory(prefix="cad-evaluate-") as folder:
        if stream.tell() == 0:
            stream.write(json.dumps({"scorer": scorer.identity}) + "\n")
        for number, path in enumerate(paths):
            if progress is not None:
                progress(number, len(paths), path)
            if path not in known:
                try:
                    with part.file_of(path, Path(folder)) as file:
                        known[path] = scorer.score(path, file)
                except DataError as error:  # it could not be made
                    known[path] = FileScore(path, "error", error=str(error))
                stream.write(json.dumps(known[path].to_json()) + "\n")
                stream.flush()
    return [known[path] for path in paths]


def write_log(log: Path, identity: str, scores: Iterable[FileScore]) -> None:
    """Write scores that are known already as a log that a run goes on from."""
    lines = [{"scorer": identity}, *(score.to_json() for score in scores)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def read_log(log: Path, identity: str | None = None) -> dict[str, FileScore]:
    """Return the scores of a log by path; a line that was cut off by an interruption is removed from the file.

    Raises:
        DataError: It is no such log, or another scorer's.
    """
    whole = whole_lines(log)
    if not whole:
        return {}
    scorer, scores = _parsed(log, whole)
    if identity is not None and scorer != identity:
        raise DataError(
            f"{log} holds scores of {scorer}, not of {identity}; take another --out or remove the log to start anew"
        )
    return {score.path: score for score in scores}


def whole_lines(log: Path) -> bytes:
    """Return the lines of a log, none without a file; one that an interruption cut off is removed from the file."""
    content = log.read_bytes() if log.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        log.write_bytes(whole)
    return whole


def read_scores_of_others(log: Path) -> tuple[str, dict[str, FileScore]]:
    """Return who scored, and the scores of a log by path; the file is left as it is.

    Raises:
        DataError: There is no such file, it is no log of scores, or its last line was cut off.
    """
    try:
        content = log.read_bytes()
    except OSError as error:
        raise DataError(f"{log}: there is no such log of scores ({error.strerror})") from error
    if not content.endswith(b"\n"):
        raise DataError(f"{log} is not a whole log of scores: its last line is cut off")
    scorer, scores = _parsed(log, content)
    return scorer, {score.path: score for score in scores}


def _parsed(log: Path, content: bytes) -> tuple[str, list[FileScore]]:
    """Return who scored, and the scores."""
    try:
        lines = content.decode("utf-8").splitlines()
        scorer = str(json.loads(lines[0])["scorer"])
        return scorer, [FileScore.from_json(json.loads(line)) for line in lines[1:]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{log} is not a log of scores: {error}") from error
