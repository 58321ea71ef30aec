# SPDX-License-Identifier: Apache-2.0
"""Chooses which streams may make a file fake by themselves beside the fused head, and from where on.

Every charge more finds forged files and costs genuine ones. All charges share one budget: the thresholds of the fused
head and of the streams beside it are those that the same share of genuine files reaches, and that share is the highest
under which at most ``max_fpr`` of the genuine files of the kind are called fake by any of them. What is left over goes
to one after the other.

Whether a stream pays for its part is asked of sources left out: thresholds are chosen on the other sources, and those
streams are let in that find more forged files there than they call genuine ones fake, which count twice. On the files
that a threshold was chosen on every stream looks useful; a noisy one calls strangers' genuine files fake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.calibration.head_rows import Mask, Names, share_of
from cad.evaluation.calibration.platt import LEAST_FAKE_THRESHOLD, weighted_threshold_above
from cad.metrics.score_counts import Floats
from cad.metrics.source_groups import source_groups
from cad.spec import ALONE, Calibration, ModelSpec, OperatingPoint, domain_key, spec_for
from cad.verdict.calibrate import platt

#: Only files of this kind have picture and sound together.
DOMAIN = "talking_head"
STREAMS = ("audio", "video")
#: Which streams may stand alone; the first that are as good as any win.
CHOICES: tuple[tuple[str, ...], ...] = ((), ("audio",), ("video",), ("audio", "video"))
#: A share of genuine files called fake weighs as much as so many times that share of forged files found; about what the
#: cost of ASVspoof 5 says (``minDCF`` in docs/evaluation: .95 against 10 * .05).
GENUINE_COST = 2.0
#: Groups of sources that are left out in turn.
GROUPS = 8
#: Shares of the rate that charges are tried at.
STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class ChargedFiles:
    """Files of the kind that has picture and sound, with what may be charged against them.

    Attributes:
        probabilities: For ``fused``, ``video`` and ``audio`` float64 (files,), calibrated; NaN where not judged.
        labels: int8 (files,) 1 fake, 0 real.
        weights: (files,) how much each counts within its class, above 0.
        sources: (files,) page, corpus or folder of each.
        identities: (files,) who is seen or heard.
        otherwise: bool (files,) whether it is called fake whatever fused head and streams beside it say.
    """

    probabilities: Mapping[str, Floats]
    labels: NDArray[np.int8]
    weights: Floats
    sources: Names
    identities: Names
    otherwise: Mask

    def only(self, mask: Mask) -> ChargedFiles:
        """Return some of the files."""
        kept = {field.name: getattr(self, field.name)[mask] for field in fields(self) if field.name != "probabilities"}
        return ChargedFiles({head: one[mask] for head, one in self.probabilities.items()}, **kept)

    @property
    def is_joint(self) -> Mask:
        """Which files the fused head has judged."""
        return ~np.isnan(self.probabilities["fused"])

    def called(self, limits: Mapping[str, float]) -> Mask:
        """Return which files any charge calls fake.

        Args:
            limits: Threshold by charge: of ``fused``, and of the streams that stand alone.
        """
        found = self.otherwise.copy()
        for head, limit in limits.items():
            found |= self.is_joint & (np.nan_to_num(self.probabilities[head], nan=-1.0) >= limit)
        return found

    def share(self, found: Mask, label: int) -> float:
        """Return which share of the weight of a class is found."""
        own = self.labels == label
        return float(self.weights[own & found].sum() / self.weights[own].sum()) if own.any() else 0.0


def let_stand_alone(
    spec: ModelSpec, files: ChargedFiles, max_fpr: float, least_rows: int, on: str
) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with thresholds for the streams that may stand alone beside the fused head, and figures.

    Args:
        spec: With numbers for all heads, and none for streams that stand alone.
        files: Their probabilities under it.
        max_fpr: Highest share of genuine files that may be called fake by anything, in [0, 1].
        least_rows: Files of each class, judged by the fused head, without which no stream is let in.
        on: One line on the data, kept in the spec.
    """
    points = spec_for(spec, DOMAIN).operating_points
    if missing := [head for head in ("fused", *STREAMS) if head not in points]:
        return spec, {"streams": [], "why": f"the model has no threshold for {', '.join(missing)}"}
    counts = [int((files.is_joint & (files.labels == label)).sum()) for label in (0, 1)]
    if min(counts) < least_rows:
        reason = f"{counts[1]} forged and {counts[0]} genuine files with picture and sound; {least_rows} of each needed"
        return spec, {"streams": [], "why": reason}
    # A stream alone needs no less than its head asks for where that decides.
    least = {head: points[head].fake_threshold for head in ("fused", *STREAMS)}
    left_out = {streams: judged_left_out(files, streams, max_fpr) for streams in CHOICES}
    streams = choose_streams(left_out)
    before = {"fused": least["fused"]}
    limits, rate = share_budget(files, streams, max_fpr, least) if streams else (before, max_fpr)
    called = files.called(limits)
    figures: dict[str, object] = {
        "streams": list(streams),
        "rate_of_each": round(rate, 4),
        "thresholds": {head: round(limit, 6) for head, limit in limits.items()},
        "false_positive_rate_of_files": round(files.share(called, 0), 4),
        "forged_files_called_fake": round(files.share(called, 1), 4),
        "without": {
            "false_positive_rate_of_files": round(files.share(files.called(before), 0), 4),
            "forged_files_called_fake": round(files.share(files.called(before), 1), 4),
        },
        "called_fake_of_sources_left_out": {
            " and ".join(choice) or "none": {"genuine": round(real, 4), "forged": round(forged, 4)}
            for choice, (real, forged) in left_out.items()
        },
    }
    for name, label in (("genuine", 0), ("forged", 1)):
        own = files.labels == label
        figures[name] = share_of(called[own], files.identities[own], files.sources[own])
    return with_limits(spec, files, limits if streams else {}, on), figures


def with_limits(spec: ModelSpec, files: ChargedFiles, limits: Mapping[str, float], on: str) -> ModelSpec:
    """Return ``spec`` with these thresholds, of ``fused`` and of streams that stand alone, for files of the kind."""
    points, own = dict(spec.operating_points), spec_for(spec, DOMAIN).operating_points
    genuine = files.is_joint & (files.labels == 0)
    for head, limit in limits.items():
        rate = round(float((files.probabilities[head][genuine] >= limit).mean()), 4)
        if head == "fused":
            real_threshold = min(own[head].real_threshold, limit)
            points[domain_key(head, DOMAIN)] = replace(
                own[head], fake_threshold=limit, real_threshold=real_threshold, chosen_false_positive_rate=rate
            )
        else:
            points[domain_key(f"{head}_alone", DOMAIN)] = OperatingPoint(limit, limit, rate, on)
    return replace(spec, operating_points=points)


def without_alone(spec: ModelSpec) -> ModelSpec:
    """Return ``spec`` in which no stream stands alone."""
    names = [name for name in spec.operating_points if not name.startswith(ALONE)]
    return replace(spec, operating_points={name: spec.operating_points[name] for name in names})


def share_budget(
    files: ChargedFiles, streams: Sequence[str], max_fpr: float, least: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Return thresholds that the same share of genuine files reaches, and that share: the highest that can be had.

    What the same share leaves of the rate, since files are whole, goes to the fused head first, then to the streams.

    Args:
        files: Of which at most ``max_fpr`` of the genuine ones, by weight, may be called fake by any charge.
        streams: That stand alone beside the fused head.
        max_fpr: In [0, 1].
        least: By head a threshold below which none falls; a head without one has none.
    """
    genuine = files.only(files.labels == 0)
    tried = [_limits(genuine, streams, least, max_fpr * step / STEPS) for step in range(STEPS + 1)]

    def fits(limits: Mapping[str, float]) -> bool:
        return genuine.share(genuine.called(limits), 0) <= max_fpr + 1e-9

    same = next((step for step in range(STEPS, 0, -1) if fits(tried[step])), 0)
    limits = tried[same]
    for head in ("fused", *streams):
        looser = ({**limits, head: tried[step][head]} for step in range(STEPS, same, -1))
        limits = next((one for one in looser if fits(one)), limits)
    return limits, max_fpr * same / STEPS


def _limits(genuine: ChargedFiles, streams: Sequence[str], least: Mapping[str, float], rate: float) -> dict[str, float]:
    """Return thresholds that at most ``rate`` of the genuine files reach, one by one."""
    found = {}
    for head in ("fused", *streams):
        judged = genuine.is_joint & ~np.isnan(genuine.probabilities[head])
        values, weights = genuine.probabilities[head][judged], genuine.weights[judged]
        order = np.argsort(values, kind="stable")
        limit = weighted_threshold_above(values[order], weights[order], rate) if len(values) else 1.0
        found[head] = min(max(limit, LEAST_FAKE_THRESHOLD, least.get(head, 0.0)), 1.0)
    return found


def judged_left_out(files: ChargedFiles, streams: Sequence[str], max_fpr: float) -> tuple[float, float]:
    """Return the shares of genuine and of forged files called fake where thresholds come from other sources."""
    groups = groups_of(files.sources, GROUPS)
    called = np.zeros(len(files.labels), np.bool_)
    for group in set(groups.tolist()):
        limits, _ = share_budget(files.only(groups != group), streams, max_fpr, {})
        called[groups == group] = files.only(groups == group).called(limits)
    return files.share(called, 0), files.share(called, 1)


def choose_streams(left_out: Mapping[tuple[str, ...], tuple[float, float]]) -> tuple[str, ...]:
    """Return the streams that pay best: what they find, less GENUINE_COST times what they call fake wrongly.

    Args:
        left_out: By choice of streams the shares of genuine and of forged files of sources left out that are called
            fake; of equally good choices the first is taken.

    Example:
        >>> choose_streams({(): (0.02, 0.5), ("audio",): (0.03, 0.6), ("video",): (0.09, 0.7)})
        ('audio',)
    """
    return max(left_out, key=lambda streams: round(left_out[streams][1] - GENUINE_COST * left_out[streams][0], 6))


def groups_of(sources: Names, groups: int) -> NDArray[np.intp]:
    """Return (files,) a group of the source of each file, so that groups have about as many files.

    Example:
        >>> groups_of(np.array(["a", "a", "a", "b", "c", "c"], dtype=object), 2).tolist()
        [0, 0, 0, 1, 1, 1]
    """
    names = [str(source) for source in sources]
    group = source_groups(names, groups)
    return np.array([group[name] for name in names], dtype=np.intp)


def probabilities_of(logits: Mapping[str, Floats], spec: ModelSpec) -> dict[str, Floats]:
    """Return the probabilities of raw clip logits in files of the kind, by head; NaN stays NaN."""
    numbers = spec_for(spec, DOMAIN).calibration
    return {head: platt(own, numbers.get(head, Calibration())) for head, own in logits.items()}
