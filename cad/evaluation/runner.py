# SPDX-License-Identifier: Apache-2.0
"""Run a protocol: make what must be made, score it (going on where an interrupted run stopped), measure, write."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cad.data.manifest import parse_segments
from cad.errors import CadError, DataError
from cad.evaluation import figures, tables
from cad.evaluation.joining import Joined, join
from cad.evaluation.localisation import Proposals, localisation_figures
from cad.evaluation.offsets import offset_figures
from cad.evaluation.parts import Make, Part
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.records import FileScore, FileScorer
from cad.evaluation.report import Report, build_report
from cad.evaluation.scorelog import Progress, frame_of_scores, score_files
from cad.metrics.bootstrap import Estimate, drawn_rows, interval
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd

LOCALISATION_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class PartResult:
    """What came of one part.

    Attributes:
        part: Its rows.
        joined: The rows with their scores.
        report: Figures.
        localisation: Figures of localisation, where the protocol asks for them.
        offsets: How well the offset between lips and sound was estimated, where the sound was moved.
        localisation_by_stream: The same of the stretches that each stream gives alone.
    """

    part: Part
    joined: Joined
    report: Report
    localisation: Mapping[str, Estimate]
    localisation_by_stream: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    offsets: Mapping[str, Estimate] = field(default_factory=dict)


class MakingScorer:
    """Scores what is made of a file and lets it go; paths without a recipe are scored as they lie on disk."""

    def __init__(self, scorer: FileScorer, makes: Mapping[str, Make], folder: Path) -> None:
        self._scorer, self._makes, self._folder = scorer, makes, folder

    @property
    def identity(self) -> str:
        """That of the scorer."""
        return self._scorer.identity

    def score(self, path: str, file: Path) -> FileScore:
        """Return what is said of the made file; one that could not be made is an error of that name."""
        make = self._makes.get(path)
        if make is None:
            return self._scorer.score(path, file)
        made: Path | None = None
        try:
            made = make(target=self._folder / "clip")
            return self._scorer.score(path, made)
        except (CadError, OSError) as error:
            return FileScore(path, "error", error=f"not_made: {error}")
        finally:
            if made is not None:
                made.unlink(missing_ok=True)


def run_part(
    part: Part,
    scorer: FileScorer,
    thresholds: Mapping[str, float],
    protocol: Protocol,
    out: Path,
    progress: Progress | None = None,
    resamples: int = 1000,
) -> PartResult:
    """Score and measure one part; its scores stay in ``out/scores``."""
    log = out / "scores" / f"{slug(part.name)}.jsonl"
    files = [(path, part.root / path) for path in part.rows["path"]]
    with tempfile.TemporaryDirectory(prefix="cad-evaluate-") as folder:
        scores = score_files(files, MakingScorer(scorer, part.makes, Path(folder)), log, progress)
    table = frame_of_scores(scores)
    table.to_parquet(log.with_suffix(".parquet"), index=False)
    joined = join(part.rows, table)
    # A detector may have reason to give no probability: that is an abstention, counted under the answers.
    report = build_report(joined, thresholds, groups=protocol.groups, resamples=resamples, seed=protocol.seed)
    wanted = protocol.kind in (Kind.LOCALISATION, Kind.SPLICES)
    found = localise(part.rows, scores, resamples, protocol.seed) if wanted else {}
    streams = sorted({segment[3] for score in scores for segment in score.segments}) if wanted else []
    alone = {
        stream: localise(part.rows, [of_stream(score, stream) for score in scores], resamples, protocol.seed)
        for stream in streams
    }
    offsets = offset_figures(part.rows, scores, resamples, protocol.seed)
    return PartResult(part, joined, report, found, alone, offsets)


def of_stream(score: FileScore, stream: str) -> FileScore:
    """Return a score with the segments of one stream alone."""
    return replace(score, segments=tuple(segment for segment in score.segments if segment[3] == stream))


def localise(rows: pd.DataFrame, scores: Sequence[FileScore], resamples: int, seed: int) -> dict[str, Estimate]:
    """Return AP and AR of the segments that a detector gives, with intervals over identities."""
    files = [
        Proposals.of([(p, start, stop) for start, stop, p, _ in score.segments], parse_segments(text))
        for text, score in zip(rows["fake_segments"], scores, strict=True)
    ]
    codes = identity_codes(rows["identity"].to_numpy())
    draws = drawn_rows(codes, min(resamples, LOCALISATION_RESAMPLES), seed)
    drawn = [localisation_figures([files[i] for i in chosen]) for chosen in draws]
    values = localisation_figures(files)
    return {
        name: Estimate(value, *interval(np.array([figure[name] for figure in drawn]))) for name, value in values.items()
    }


def write_results(
    results: Sequence[PartResult],
    protocol: Protocol,
    facts: Sequence[str],
    out: Path,
    thresholds: Mapping[str, float],
    draw: bool = True,
) -> str:
    """Write report.md, report.json and, if asked to, the figures under ``out`` and return the Markdown text.

    Raises:
        DataError: There is nothing to write.
    """
    if not results:
        raise DataError(f"{protocol.name}: nothing was scored")
    if len(results) == 1:
        left_out = results[0].part.left_out
        facts = [*facts, *([f"Rows left out: {_text(left_out)}."] if left_out else [])]
        text = tables.report_markdown(results[0].report, protocol.title, facts)
    else:
        text = parts_markdown(results, protocol, facts)
    text += _localisation_markdown(results) + _offsets_markdown(results)
    (out / "report.md").write_text(text, encoding="utf-8")
    (out / "report.json").write_text(json.dumps(_json(results, protocol, facts), indent=1), encoding="utf-8")
    if draw:
        _draw(results, protocol, out / "figures", thresholds)
    return text


def parts_markdown(results: Sequence[PartResult], protocol: Protocol, facts: Sequence[str]) -> str:
    """Return one table for each view with a line for each part, and what each part left out."""
    sections = [f"# {protocol.title}", *facts]
    for view in dict.fromkeys(found.view.name for result in results for found in result.report.views):
        lines = []
        for result in results:
            found = next((v for v in result.report.views if v.view.name == view), None)
            measured = found.measured if found else None
            counts = f"{measured.reals} / {measured.fakes}" if measured else "0 / 0"
            cells = [measured.estimates[name].text() if measured else "-" for name in tables.GROUP_METRICS]
            lines.append([result.part.name, counts, *cells])
        headings = ["part", "real / fake", *(tables.HEADINGS[name] for name in tables.GROUP_METRICS)]
        sections.append(f"## {view}\n\n{tables.markdown_table(headings, lines)}")
    lines = [
        [r.part.name, r.report.coverage.share.text(), _text(r.part.left_out), _text(r.report.problems)] for r in results
    ]
    headings = ["part", "answered", "rows left out", "rows that did not fit"]
    sections.append(f"## Coverage\n\n{tables.markdown_table(headings, lines)}")
    return "\n\n".join(sections) + "\n"


def slug(name: str) -> str:
    """Return ``name`` as part of a file name.

    Example:
        >>> slug("shift +0.40 s"), slug("shift -0.40 s")
        ('shift_plus0.40_s', 'shift_minus0.40_s')
    """
    signed = name.replace("+", "plus").replace(" -", " minus")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", signed).strip("_")


def _text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"


def _localisation_markdown(results: Sequence[PartResult]) -> str:
    found = [result for result in results if result.localisation]
    if not found:
        return ""
    headings = ["part", *found[0].localisation]
    lines = [
        [name, *(estimate.text() for estimate in figures.values())]
        for result in found
        for name, figures in (
            (result.part.name, result.localisation),
            *((f"{result.part.name}, {stream} alone", own) for stream, own in result.localisation_by_stream.items()),
        )
    ]
    return f"\n## Localisation\n\n{tables.markdown_table(headings, lines)}\n"


def _offsets_markdown(results: Sequence[PartResult]) -> str:
    found = [result for result in results if result.offsets]
    if not found:
        return ""
    lines = [[result.part.name, *(estimate.text() for estimate in result.offsets.values())] for result in found]
    return f"\n## Offset of the moved clips\n\n{tables.markdown_table(['part', *found[0].offsets], lines)}\n"


def estimates_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return figures with their intervals for a JSON document."""
    return {name: tables.estimate_json(value) for name, value in estimates.items()}


def _json(results: Sequence[PartResult], protocol: Protocol, facts: Sequence[str]) -> dict[str, Any]:
    parts = [
        {
            "name": result.part.name,
            "left_out": dict(result.part.left_out),
            **tables.report_json(result.report),
            "localisation": estimates_json(result.localisation),
            "offsets": estimates_json(result.offsets),
            "localisation_by_stream": {
                stream: estimates_json(own) for stream, own in result.localisation_by_stream.items()
            },
        }
        for result in results
    ]
    return {"protocol": protocol.name, "title": protocol.title, "facts": list(facts), "parts": parts}


def _draw(results: Sequence[PartResult], protocol: Protocol, folder: Path, thresholds: Mapping[str, float]) -> None:
    if protocol.kind is Kind.ROBUSTNESS:
        _draw_heat_maps(results, protocol, folder)
    elif len(results) > 1:
        _draw_parts(results, protocol, folder)
    for result in results if len(results) <= 3 else results[:1]:
        place = folder if len(results) == 1 else folder / slug(result.part.name)
        scored, points = scored_views(result)
        heads = {v.view.name: v.view.head for v in result.report.views}
        points = {name: thresholds[heads[name]] for name in points if heads[name] in thresholds}
        figures.save_figures(scored, result.report.groups, points, place)


def _draw_parts(results: Sequence[PartResult], protocol: Protocol, folder: Path) -> None:
    """Draw the AUC of every part: of the sync head where sound was moved, else of the file's answer."""
    view = "sync head" if protocol.kind is Kind.DESYNC else "file"
    found = {
        result.part.name: measured.measured.estimates["auc"]
        for result in results
        for measured in result.report.views
        if measured.view.name == view and measured.measured is not None
    }
    if any(not np.isnan(estimate.value) for estimate in found.values()):
        figures.save_part_bars(found, f"{protocol.title}: {view}", "parts", folder)


def scored_views(result: PartResult) -> tuple[dict[str, tuple[Any, Any]], Iterable[str]]:
    """Return scores and labels of the views that are not mere parts of another, for the figures."""
    scored = {}
    for found in result.report.views:
        if "," not in found.view.name:
            scores = result.joined.rows[f"p_{found.view.head}"].to_numpy(dtype=np.float64)
            mask = found.view.mask & ~np.isnan(scores)
            if mask.any():
                scored[found.view.name] = (scores[mask], found.view.labels[mask])
    return scored, tuple(scored)


def _draw_heat_maps(results: Sequence[PartResult], protocol: Protocol, folder: Path) -> None:
    for view, metric, title, high in (
        ("file", "auc", "AUC", True),
        ("file", "fpr", "FPR at the shipped threshold", False),
    ):
        values: dict[str, list[float]] = {}
        clean = float("nan")
        for result in results:
            found = next((v for v in result.report.views if v.view.name == view and v.measured), None)
            value = found.measured.estimates[metric].value if found and found.measured else float("nan")
            if result.part.name.endswith("none"):
                clean = value
            else:
                values.setdefault(result.part.name.rsplit(" ", 1)[0], []).append(value)
        values = {f"{name} ({_span(name, protocol)})": line for name, line in values.items()}
        figures.save_heat_map(values, clean, f"{protocol.title}: {title}", f"robustness_{metric}", folder, high)


def _span(part: str, protocol: Protocol) -> str:
    """Return the first and the last level of a perturbation, in its own unit."""
    levels = protocol.perturbations[part.rpartition(": ")[2]]
    return f"{levels[0]:g} to {levels[-1]:g}"
