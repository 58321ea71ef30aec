# SPDX-License-Identifier: Apache-2.0
"""Runs a protocol for tools/evaluate.py: makes and scores its clips (going on where a run stopped) and measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cad.evaluation.joining import Joined, join
from cad.evaluation.localisation import DEFINITIONS, localise_by_stream
from cad.evaluation.offsets import offset_figures
from cad.evaluation.part import Part, slug
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.records import FileScorer
from cad.evaluation.report import Report, build_report
from cad.evaluation.scorelog import Progress, score_part
from cad.metrics.bootstrap import RESAMPLES, Estimate


@dataclass(frozen=True, slots=True)
class PartResult:
    """The results of one part.

    Attributes:
        part: Its rows.
        joined: The rows with their scores.
        report: Figures.
        localisation: Figures of localisation, where the protocol asks for them.
        localisation_by_stream: The same of the stretches that each stream gives alone.
        offsets: How well the offset between lips and sound was estimated, where the sound was moved.
    """

    part: Part
    joined: Joined
    report: Report
    localisation: Mapping[str, Estimate] = field(default_factory=dict)
    localisation_by_stream: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    offsets: Mapping[str, Estimate] = field(default_factory=dict)


def run_part(
    part: Part,
    scorer: FileScorer,
    thresholds: Mapping[str, float],
    protocol: Protocol,
    out: Path,
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
) -> PartResult:
    """Score and measure one part; its scores stay in ``out/scores``."""
    import pandas

    log = out / "scores" / f"{slug(part.name)}.jsonl"
    scores = score_part(part, scorer, log, progress)
    table = pandas.DataFrame([score.to_row() for score in scores])
    table.to_parquet(log.with_suffix(".parquet"), index=False)
    joined = join(part.rows, table)
    # A detector may have reason to give no probability: that is an abstention, counted under the answers.
    report = build_report(joined, thresholds, groups=protocol.groups, resamples=resamples, seed=protocol.seed)
    wanted = protocol.kind in (Kind.LOCALISATION, Kind.SPLICES)
    definition = DEFINITIONS[protocol.localisation]
    alone = dict(localise_by_stream(part.rows, scores, definition, resamples, protocol.seed)) if wanted else {}
    found = alone.pop("", {})
    offsets = offset_figures(part.rows, scores, resamples, protocol.seed)
    return PartResult(part, joined, report, found, alone, offsets)
