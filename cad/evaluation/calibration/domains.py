# SPDX-License-Identifier: Apache-2.0
"""Gives every kind of file (recording, talking head, still) of which there are enough clips numbers of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from cad.errors import ExportError
from cad.evaluation.calibration.by_domain import DOMAIN_HEADS, Rates, Scope, fit_scope, too_few, usable
from cad.evaluation.calibration.clips import AnalysedPart, CalibrationClips, Say
from cad.evaluation.calibration.file_answers import is_called_fake, of_frames, with_peaks
from cad.evaluation.calibration.head_rows import HeadRows, share_of
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.peaks import LEAST_CLIPS, face_growth
from cad.spec import DOMAIN_MARK, DOMAINS, Calibration, ModelSpec, plain_key
from cad.verdict.judge import judge

#: Heads of whose faces a file shows the worst.
FACE_HEADS = ("video", "fused")


def fit_domains(
    spec: ModelSpec, clips: CalibrationClips, options: CalibrationOptions, split: str, say: Say
) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with numbers for every kind of file of which there are enough clips, and figures or why not.

    The plain numbers are fitted before and stay: they hold for kinds that get none, and for older packages.

    Args:
        spec: With plain numbers.
        clips: What is fitted on.
        options: How.
        split: Where the clips are from.
        say: Called with what was fitted.
    """
    figures: dict[str, object] = {}
    there = {domain: clips.of_domain(domain) for domain in DOMAINS}
    there = {domain: own for domain, own in there.items() if len(own.plain.rows) or len(_frames(own).rows)}
    for domain, own in there.items():
        if len(there) == 1:
            figures[domain] = "all clips are of this kind: the plain numbers are its own"
            continue
        rows = {} if options.keep_heads else {head: own.head_rows(head) for head in DOMAIN_HEADS}
        rows = {head: found for head, found in rows.items() if len(found.labels)}
        why = {head: reason for head, found in rows.items() if (reason := too_few(found, options.domain_rows))}
        rows = {head: usable(found, options.domain_rows) for head, found in rows.items() if head not in why}
        if not rows and not options.keep_heads:
            figures[domain] = {"heads": {}, "left_plain": why}
            say(told(domain, (), why))
            continue
        try:
            spec, found = _fit_domain(spec, own, domain, rows, options, split)
        except ExportError as error:
            found = {"heads": {}, "not_fitted": f"{error}: the plain numbers hold"}
        fitted = found["heads"] if isinstance(found["heads"], dict) else {}
        say(told(domain, fitted, why))
        figures[domain] = {**found, "left_plain": why}
    return spec, figures


def told(domain: str, fitted: Iterable[str], why: Mapping[str, str]) -> str:
    """Return a line on what was fitted for a kind of file, and what was not, with why."""
    left = "".join(f"; {head} not: {text}" for head, text in why.items())
    return f"{domain}: {', '.join(fitted) or 'no head'} fitted{left}"


def _fit_domain(
    spec: ModelSpec, clips: CalibrationClips, domain: str, rows: Mapping[str, HeadRows], options: CalibrationOptions,
    split: str,
) -> tuple[ModelSpec, dict[str, object]]:  # fmt: skip
    """Return ``spec`` with numbers for one kind of file, and figures on its files."""
    real = [*clips.genuine(), *_frames(clips).genuine()]
    cut = len(_frames(clips).rows)
    frames = f", {cut} frames cut out of clips as stills" if cut else ""
    counts = f"{len(clips.plain.rows)} files and {len(clips.copies.rows)} re-encoded genuine copies{frames}"
    on = f"{split}, {domain}: {counts}"
    growths = {head: _growth(spec, clips, head) for head in FACE_HEADS}

    def finish(found: ModelSpec) -> tuple[ModelSpec, Mapping[str, object]]:
        found, peaks = with_peaks(found, clips, options.max_fpr, on, domain)
        return found, {"peaks": peaks}

    scope = Scope(
        domain=domain,
        rows=rows,
        least_rows=options.domain_rows,
        growths=growths,
        weigh_sources=False,
        rate_of=lambda found: sum(is_called_fake(one, found) for one in real) / max(len(real), 1),
        beside=lambda heads, points: of_frames(heads, points, real, options.max_fpr),
        finish=finish,
    )
    spec, figures = fit_scope(spec, scope, Rates(options.max_fpr, options.max_miss), on)
    return spec, {"files": _file_figures(clips, spec), **figures}


def _growth(spec: ModelSpec, clips: CalibrationClips, head: str) -> float:
    """Return the growth over faces of a head in one kind of file; that of all kinds where it has too few faces."""
    lone = clips.lone_faces(head)
    return face_growth(lone) if len(lone) >= LEAST_CLIPS else spec.calibration.get(head, Calibration()).growth


def _frames(clips: CalibrationClips) -> AnalysedPart:
    """Return the stills that were cut out of clips, none where none were."""
    return AnalysedPart(clips.plain.rows.iloc[:0], ()) if clips.frames is None else clips.frames


def _file_figures(clips: CalibrationClips, spec: ModelSpec) -> dict[str, object]:
    """Return how often the answers on whole files are given and wrong, copies left out, with 95 % intervals."""
    figures: dict[str, object] = {}
    for name, part in (("files", clips.plain), ("frames cut out of clips", _frames(clips))):
        answers = np.array(["" if isinstance(one, str) else judge(one, spec).label.value for one in part.found])
        labels = part.rows["label"].to_numpy()
        people, sources = (part.rows[column].to_numpy(dtype=object) for column in ("identity", "source"))
        for truth, label in (("genuine", 0), ("forged", 1)):
            own = labels == label
            if own.any():
                called = {"decided": np.isin(answers, ("fake", "real")), "called_fake": answers == "fake"}
                figures[f"{name}, {truth}"] = {
                    what: share_of(found[own], people[own], sources[own]) for what, found in called.items()
                }
    return figures


def without_domains(spec: ModelSpec, names: Collection[str] = ()) -> ModelSpec:
    """Return ``spec`` without numbers of single kinds of file: all of them, or those of some plain keys."""

    def is_kept(key: str) -> bool:
        return DOMAIN_MARK not in key or (bool(names) and plain_key(key) not in names)

    return replace(
        spec,
        calibration={key: one for key, one in spec.calibration.items() if is_kept(key)},
        operating_points={key: one for key, one in spec.operating_points.items() if is_kept(key)},
    )
