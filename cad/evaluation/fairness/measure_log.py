# SPDX-License-Identifier: Apache-2.0
"""Keeps the fairness measurement's files as they come, a JSON line each, so that an interrupted run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from cad.errors import DataError
from cad.evaluation.fairness.measuring import FileMeasure, FileMeasurer
from cad.evaluation.scorelog import Progress, whole_lines


def measure_files(
    paths: Sequence[str],
    file_of: Callable[[str], Path],
    measurer: FileMeasurer,
    log: Path,
    progress: Progress | None = None,
) -> list[FileMeasure]:
    """Return the measures of files in order, measuring only those that are not in ``log`` yet.

    Args:
        paths: As the manifest calls them.
        file_of: Says where each lies.
        measurer: What measures.
        log: JSON lines; the first names the measurer, so that two models never mix.
        progress: Called before each file.

    Raises:
        DataError: The log is no such log, or another model's.
    """
    known = read_measure_log(log, measurer.identity)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        if stream.tell() == 0:
            stream.write(json.dumps({"measurer": measurer.identity}) + "\n")
        for number, path in enumerate(paths):
            if progress is not None:
                progress(number, len(paths), path)
            if path not in known:
                known[path] = measurer.measure(path, file_of(path))
                stream.write(json.dumps(known[path].to_json()) + "\n")
                stream.flush()
    return [known[path] for path in paths]


def read_measure_log(log: Path, identity: str) -> dict[str, FileMeasure]:
    """Return the measures of a log by path; a line that was cut off by an interruption is removed from the file.

    Raises:
        DataError: It is no such log, or another model's.
    """
    whole = whole_lines(log)
    if not whole:
        return {}
    try:
        first, *lines = whole.decode("utf-8").splitlines()
        measurer = json.loads(first)["measurer"]
        measures = [FileMeasure.from_json(json.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{log} is not a log of a fairness measurement: {error}") from error
    if measurer != identity:
        raise DataError(
            f"{log} holds measures by {measurer}, not by {identity}; take another folder or remove the log to start "
            f"anew"
        )
    return {measure.path: measure for measure in measures}
