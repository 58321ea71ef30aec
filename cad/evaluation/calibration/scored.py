# SPDX-License-Identifier: Apache-2.0
"""Calibrates the heads of a model from scores that are there already, such as those of rows whose source was left out.

A threshold that is chosen on sources that a model was fitted on promises too much for others. Models that had not seen
a row's source can score it instead (``*.scores.jsonl``, one for each group of sources that was left out); what is
fitted on all these scores together holds for sources that nobody has seen, as far as the models are alike. Sources of
many rows do not decide alone: each counts as the square root of its number of rows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Manifest
from cad.detector import Detector
from cad.errors import DataError, ExportError
from cad.evaluation.calibration.by_domain import DOMAIN_HEADS, Rates, Scope, fit_scope, too_few, usable
from cad.evaluation.calibration.calibrating import opened_folder, write_model
from cad.evaluation.calibration.clips import Say
from cad.evaluation.calibration.domains import told, without_domains
from cad.evaluation.calibration.head_rows import HeadRows, Mask, share_of, source_weights
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.platt import rebased_frames
from cad.evaluation.calibration.standing_alone import DOMAIN as JOINT
from cad.evaluation.calibration.standing_alone import ChargedFiles, let_stand_alone, probabilities_of, without_alone
from cad.evaluation.calibration.stills import PICTURES
from cad.evaluation.records import FileScore
from cad.evaluation.row_views import domains_of, sample_rows, views_of
from cad.evaluation.scorelog import read_scores_of_others
from cad.metrics.score_counts import Floats
from cad.options import DetectOptions
from cad.spec import DOMAINS, Calibration, ModelSpec, OperatingPoint, spec_for
from cad.verdict.calibrate import platt

if TYPE_CHECKING:
    import pandas as pd

#: Heads that may decide on a file, by what was judged of it.
TOGETHER, APART = ("fused",), ("video", "audio")


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """Rows of a manifest with the raw logits that were scored for them.

    Attributes:
        rows: Of the manifest, those that have scores.
        logits: By head float64 (rows,); NaN where there is none.
        domains: (rows,) kind of file of each, one of ``cad.spec.DOMAINS``.
        scorers: Who scored.
        scored_by: (rows,) which of ``scorers`` scored each, by number.
        left_out: How many rows had no score, could not be read, or scores had no row, by what it was.
    """

    rows: pd.DataFrame
    logits: Mapping[str, Floats]
    domains: NDArray[np.object_]
    scorers: tuple[str, ...]
    scored_by: NDArray[np.int64]
    left_out: Mapping[str, int]

    def head_rows(self, head: str, domain: str = "") -> HeadRows:
        """Return the rows that judge a head, of one kind of file or of all."""
        view = next((view for view in views_of(self.rows) if view.head == head), None)
        mask = ~np.isnan(self.logits[head]) & (np.False_ if view is None else view.mask)
        return HeadRows(
            logits=self.logits[head],
            labels=np.zeros(len(mask), np.int8) if view is None else view.labels,
            sources=self.rows["source"].to_numpy(dtype=object),
            identities=self.rows["identity"].to_numpy(dtype=object),
            domains=self.domains,
            # Without a domain all rows are one: the plain numbers are those of all kinds together.
            strata=np.array([PICTURES if domain and one == "still" else "" for one in self.domains], dtype=object),
            counts=np.ones(len(mask), np.bool_),
        ).only(mask & ((self.domains == domain) if domain else True))

    def genuine(self, domain: str) -> Mask:
        """Return which rows are genuine and can be judged, of one kind of file or of all."""
        judged = np.any([~np.isnan(own) for own in self.logits.values()], axis=0)
        own = (self.domains == domain) if domain else np.ones(len(self.domains), np.bool_)
        found: Mask = judged & own & (self.rows["label"] == 0).to_numpy()
        return found

    def over(self, spec: ModelSpec, threshold: str) -> Mask:
        """Return which rows have a head with a say at or over ``fake_threshold``, or one that holds back *real*."""
        found = np.zeros(len(self.domains), np.bool_)
        is_fused = ~np.isnan(self.logits["fused"])
        for domain in DOMAINS:
            own, numbers = self.domains == domain, spec_for(spec, domain)
            for head in DOMAIN_HEADS:
                chances = platt(self.logits[head], numbers.calibration.get(head, Calibration()))
                chances = np.nan_to_num(chances, nan=-1.0)
                point, alone = (numbers.operating_points.get(name) for name in (head, f"{head}_alone"))
                if point is not None:
                    decides = own & (is_fused if head in TOGETHER else ~is_fused)
                    found |= decides & (chances >= getattr(point, threshold))
                if head in APART:
                    # Beside the fused head a stream over its own threshold is never real, and fake if it stands alone.
                    beside = alone if threshold == "fake_threshold" else point
                    found |= own & is_fused & (chances >= (np.inf if beside is None else beside.fake_threshold))
        return found

    def charged(self, spec: ModelSpec) -> ChargedFiles:
        """Return the files that may have picture and sound together, with what heads and streams say of each."""
        own = (self.domains == JOINT) & np.any([~np.isnan(one) for one in self.logits.values()], axis=0)
        rows, labels = self.rows[own], self.rows["label"].to_numpy(dtype=np.int8)[own]
        sources, weights = rows["source"].to_numpy(dtype=object), np.ones(len(labels))
        for label in (0, 1):
            weights[labels == label] = source_weights(sources[labels == label])
        return ChargedFiles(
            probabilities=probabilities_of({head: one[own] for head, one in self.logits.items()}, spec),
            labels=labels,
            weights=weights,
            sources=sources,
            identities=rows["identity"].to_numpy(dtype=object),
            otherwise=(self.over(spec, "fake_threshold") & np.isnan(self.logits["fused"]))[own],
        )


def calibrate_scored(
    model: Path,
    manifest: Manifest,
    logs: Sequence[Path],
    output: Path,
    name: str,
    options: CalibrationOptions,
    say: Say,
) -> dict[str, object]:
    """Write the model with heads calibrated from scores, and return the figures on these.

    Synchrony, peaks and growth over faces keep their numbers; a slot is suspicious from the same raw logit on as
    before. No scores are written, since the model itself scored nothing.

    Args:
        model: ONNX file with a ModelSpec in its metadata; its graph is not changed.
        manifest: Rows with their labels and sources.
        logs: Files of scores (``cad.evaluation.scorelog``); no row may stand in two.
        output: Where the calibrated file goes.
        name: Of the calibrated weights.
        options: How.
        say: Called with lines of progress.

    Raises:
        CadError: The model cannot be opened, the scores cannot be used, or no thresholds keep the rate.
    """
    rows = sample_rows(manifest.select(options.split or None).rows, options.clips, seed=0).reset_index(drop=True)
    scored = read_scored(logs, rows)
    for what, count in scored.left_out.items():
        say(f"{what}: {count}")
    with tempfile.TemporaryDirectory(prefix="cad-calibrate-") as folder:
        before = replace(Detector(DetectOptions(model=str(opened_folder(model, Path(folder) / name)))).spec, name=name)
    spec, figures = fit_scored(before, scored, options, say)
    sha256 = write_model(model, output, spec)
    return {"name": name, "sha256": sha256, **figures, "spec": json.loads(spec.to_json())}


def read_scored(logs: Sequence[Path], rows: pd.DataFrame) -> ScoredRows:
    """Return the rows that have scores, with them.

    Raises:
        DataError: A file is no log of scores, a row is scored twice, or no row has a score.
    """
    scores: dict[str, FileScore] = {}
    origin: dict[str, int] = {}
    scorers = []
    for number, log in enumerate(logs):
        scorer, own = read_scores_of_others(log)
        if twice := sorted(own.keys() & scores.keys()):
            raise DataError(f"{twice[0]} is scored in {logs[origin[twice[0]]]} and in {log}; a row must have one score")
        scores |= own
        origin |= dict.fromkeys(own, number)
        scorers.append(scorer)
    there = rows["path"].isin(list(scores)).to_numpy()
    if not there.any():
        raise DataError(f"none of the {len(scores)} scored paths is a row of the split")
    found = rows[there].reset_index(drop=True)
    own_scores = [scores[path] for path in found["path"]]
    return ScoredRows(
        rows=found,
        logits={head: np.array([one.logit.get(head) for one in own_scores], dtype=np.float64) for head in DOMAIN_HEADS},
        domains=domains_of(found),
        scorers=tuple(scorers),
        scored_by=np.array([origin[path] for path in found["path"]], dtype=np.int64),
        left_out={
            "rows without a score": int((~there).sum()),
            "scores without a row": len(scores) - len(found),
            "files that could not be read": sum(one.answer == "error" for one in own_scores),
        },
    )


def fit_scored(
    spec: ModelSpec, scored: ScoredRows, options: CalibrationOptions, say: Say
) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with numbers of its heads, plain and by kind of file, and the figures on the scores.

    Raises:
        ExportError: No thresholds keep the rate for all rows together.
        DataError: No head has ``options.domain_rows`` rows of either class, or no row is of a kind that is asked for.
    """
    before = spec
    sources = scored.rows["source"].nunique()
    on = (
        f"{options.split or 'all rows'}: {len(scored.rows)} scored rows of {sources} sources by {len(scored.scorers)} "
        "scorers, sources weighed by the square root of their rows"
    )
    figures: dict[str, object] = {
        "rows": len(scored.rows),
        "sources": sources,
        "scorers": list(scored.scorers),
        **{what.replace(" ", "_"): count for what, count in scored.left_out.items()},
    }
    heads = [head for head in DOMAIN_HEADS if head in before.heads]
    kinds = [domain for domain in DOMAINS if (scored.domains == domain).any()]
    by_domain: dict[str, object] = {}
    if missing := [kind for kind in options.kinds if kind not in kinds]:
        raise DataError(f"no scored row is a {missing[0]}")
    for domain in options.kinds or ("", *kinds):
        if domain and len(kinds) == 1 and not options.kinds:
            by_domain[domain] = "all rows are of this kind: the plain numbers are its own"
            continue
        least = options.domain_rows
        rows = {head: own for head in heads if len((own := scored.head_rows(head, domain)).labels)}
        why = {head: reason for head, own in rows.items() if (reason := too_few(own, least))}
        rows = {head: usable(own, least) for head, own in rows.items() if head not in why}
        if not rows and not domain:
            reasons = "; ".join(f"{head}: {text}" for head, text in why.items())
            raise DataError(f"no head has enough scores of both classes ({reasons or 'none is judged'})")
        if not domain:  # what an earlier calibration fitted for single kinds goes with its heads
            spec = without_alone(without_domains(spec, [name for head in rows for name in (head, f"{head}_frame")]))
        left = {"left_plain" if domain else "kept": why}
        try:
            spec, found = _fit(spec, before, scored, domain, rows, least, options, on)
        except ExportError as error:
            if not domain:
                raise
            found = {"heads": {}, "not_fitted": f"{error}: the plain numbers hold"}
        say(told(domain or "all kinds", rows if found["heads"] else (), why))
        if domain:
            by_domain[domain] = {**found, **left}
        else:
            figures |= {**found, **left}
    if options.kinds:
        return spec, {**figures, "domains": by_domain, "by_scorer": _scorer_figures(scored, spec)}
    spec, alone = let_stand_alone(spec, scored.charged(spec), options.max_fpr, options.domain_rows, on)
    figures["standing_alone"] = alone
    return spec, {**figures, "domains": by_domain, "by_scorer": _scorer_figures(scored, spec)}


def _fit(
    spec: ModelSpec, before: ModelSpec, scored: ScoredRows, domain: str, rows: Mapping[str, HeadRows], least: int,
    options: CalibrationOptions, on: str,
) -> tuple[ModelSpec, dict[str, object]]:  # fmt: skip
    """Return ``spec`` with numbers of the heads for one kind of file, or for all of them."""
    old, genuine = spec_for(before, domain) if domain else before, scored.genuine(domain)
    weights = source_weights(scored.rows["source"].to_numpy(dtype=object)[genuine])

    def rate_of(found: ModelSpec) -> float:
        # The plain numbers must keep the rate by themselves, for packages that know no others.
        plain = found if domain else without_domains(found)
        called = scored.over(plain, "fake_threshold")[genuine]
        return float((weights * called).sum() / weights.sum()) if len(weights) else 0.0

    def beside(heads: Mapping[str, Calibration], points: Mapping[str, OperatingPoint]) -> dict[str, Calibration]:
        found = {}
        for stream in APART:
            name, point = f"{stream}_frame", old.operating_points.get(stream)
            if stream in heads and name in old.calibration and point is not None:
                frames = old.calibration[name]
                found[name] = rebased_frames(frames, point.fake_threshold, heads[stream], points[stream].fake_threshold)
        return found

    scope = Scope(
        domain=domain,
        rows=rows,
        least_rows=least,
        growths={head: old.calibration[head].growth for head in rows if head in old.calibration},
        weigh_sources=True,
        rate_of=rate_of,
        beside=beside,
        finish=lambda found: (found, {}),
    )
    spec, figures = fit_scope(spec, scope, Rates(options.max_fpr, options.max_miss), on)
    return spec, {"files": _file_figures(scored, spec, domain), **figures}


def _scorer_figures(scored: ScoredRows, spec: ModelSpec) -> list[dict[str, object]]:
    """Return how often genuine rows of each file of scores are called fake: if far apart, so are their models."""
    fake, genuine = scored.over(spec, "fake_threshold"), scored.genuine("")
    people, sources = (scored.rows[column].to_numpy(dtype=object) for column in ("identity", "source"))
    return [
        {"scorer": scorer, "genuine_called_fake": share_of(fake[own], people[own], sources[own])}
        for number, scorer in enumerate(scored.scorers)
        for own in [genuine & (scored.scored_by == number)]
    ]


def _file_figures(scored: ScoredRows, spec: ModelSpec, domain: str) -> dict[str, object]:
    """Return how often the heads decide on files, and call them fake: by rows and by sources, with 95 % intervals."""
    own = (scored.domains == domain) if domain else np.ones(len(scored.domains), np.bool_)
    fake, raised = scored.over(spec, "fake_threshold"), scored.over(spec, "real_threshold")
    judged = np.any([~np.isnan(one) for one in scored.logits.values()], axis=0)
    decided = judged & (fake | ~raised)
    figures: dict[str, object] = {}
    for truth, label in (("genuine", 0), ("forged", 1)):
        mask = own & (scored.rows["label"] == label).to_numpy()
        people, sources = (scored.rows[column].to_numpy(dtype=object)[mask] for column in ("identity", "source"))
        if mask.any():
            figures[truth] = {
                "decided": share_of(decided[mask], people, sources),
                "called_fake": share_of(fake[mask], people, sources),
            }
    return figures
