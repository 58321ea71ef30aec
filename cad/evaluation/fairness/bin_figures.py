# SPDX-License-Identifier: Apache-2.0
"""Counts what the product says of the genuine files of each bin, and holds the bins against the bar."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from cad.evaluation.fairness.measuring import FileMeasure
from cad.evaluation.fairness.properties import Property
from cad.metrics.bootstrap import Estimate

#: What is reported apart, since a still, a talk and a voice are judged by other evidence, and their names.
DOMAINS = {"image": "still pictures", "video": "videos", "audio": "recordings"}
ALL = "all"
#: The bar: no bin of so many files above the mean false positive rate by more than so much,
LEAST_FILES, MARGIN = 50, 0.02
#: and none with more than this share of faces missed where they have so many pixels (or nobody knows how many).
MOST_MISSED, LEAST_FACE_PX = 0.01, 60.0
_CHANCE = " (may be chance)"


@dataclass(frozen=True, slots=True)
class BinFigures:
    """What the product says of the genuine files of one bin.

    Attributes:
        domain: One of DOMAINS.
        name: Of the property; ``all`` for all files of the domain.
        bin: Likewise.
        files: How many there are that could be read.
        shown: In how many of them there is a face.
        missed: In how many of those no face was found.
        large: In how many there is one of at least LEAST_FACE_PX, or of unknown size.
        large_missed: In how many of those none was found.
        fake: How many are called fake.
        inconclusive: How many get no answer.
        mean_probability: Of fake, over those that have one; None without any.
        is_unknown: Whether the bin holds what could not be measured or is not stated.
    """

    domain: str
    name: str
    bin: str
    files: int
    shown: int
    missed: int
    large: int
    large_missed: int
    fake: int
    inconclusive: int
    mean_probability: float | None
    is_unknown: bool = False

    @property
    def is_small(self) -> bool:
        """Whether it has too few files for the bar: its intervals are wide."""
        return self.files < LEAST_FILES

    def breaks(self, mean_fake: float) -> tuple[str, ...]:
        """Return in words how the bin breaks the bar, nothing where it does not or has too few files.

        What was missed gathers among the files that could not be measured, so those are not held to that part of it. It
        is the share itself that counts; where its interval reaches down to what is allowed, the words say so.

        Args:
            mean_fake: Share of all files of the domain that are called fake.
        """
        found = []
        fake, missed = wilson(self.fake, self.files), wilson(self.large_missed, self.large)
        if self.files >= LEAST_FILES and fake.value > mean_fake + MARGIN:
            chance = _CHANCE if fake.low <= mean_fake + MARGIN else ""
            found.append(f"called fake {fake.value:.1%}, {mean_fake:.1%} in the mean{chance}")
        if self.large >= LEAST_FILES and not self.is_unknown and missed.value > MOST_MISSED:
            found.append(f"face missed {missed.value:.1%}{_CHANCE if missed.low <= MOST_MISSED else ''}")
        return tuple(found)


def wilson(count: int, of: int) -> Estimate:
    """Return a share with its 95 % interval; NaN of none.

    Source: Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22, 1927 (SciPy's).

    Example:
        >>> wilson(0, 50).text(), wilson(0, 0).text()
        ('0.000 [0.000, 0.071]', '-')
    """
    if not of:
        return Estimate(math.nan)
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(0.95, method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


def bins_of(
    measures: Sequence[FileMeasure], properties: Sequence[Property], faceless: Collection[str] = ()
) -> Iterator[BinFigures]:
    """Yield the figures of every domain as a whole and then of each of its bins that has a file.

    Args:
        measures: Of genuine files; those that could not be read are passed over.
        properties: How they are sorted.
        faceless: Paths whose picture shows no face.
    """
    for kind, domain in DOMAINS.items():
        inside = [measure for measure in measures if measure.kind == kind]
        if not inside:
            continue
        yield _figures(domain, ALL, ALL, inside, faceless, False)
        for one in properties:
            if kind not in one.kinds:
                continue
            sorted_out = {name: [m for m in inside if one.bin_of(m) == name] for name in one.bins}
            if {name for name, found in sorted_out.items() if found} == {one.unknown}:
                continue
            for name, found in sorted_out.items():
                if found:
                    yield _figures(domain, one.name, name, found, faceless, name == one.unknown)


def _figures(
    domain: str, name: str, bin_name: str, found: Sequence[FileMeasure], faceless: Collection[str], is_unknown: bool
) -> BinFigures:
    shown = [one for one in found if one.face is not None and one.path not in faceless]
    large = [one for one in shown if one.face is not None and (one.face.height_px or LEAST_FACE_PX) >= LEAST_FACE_PX]
    probabilities = [one.probability for one in found if one.probability is not None]
    return BinFigures(
        domain=domain,
        name=name,
        bin=bin_name,
        files=len(found),
        shown=len(shown),
        missed=sum(not one.faces for one in shown),
        large=len(large),
        large_missed=sum(not one.faces for one in large),
        fake=sum(one.answer == "fake" for one in found),
        inconclusive=sum(one.answer == "inconclusive" for one in found),
        mean_probability=sum(probabilities) / len(probabilities) if probabilities else None,
        is_unknown=is_unknown,
    )
