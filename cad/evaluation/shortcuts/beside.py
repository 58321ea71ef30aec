# SPDX-License-Identifier: Apache-2.0
"""A detector beside a control, on exactly the rows that both scored: by how much it lies above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cad.errors import DataError
from cad.evaluation.comparison import compare_systems
from cad.evaluation.tables import markdown_table
from cad.evaluation.views import views_of
from cad.metrics.bootstrap import RESAMPLES, Estimate

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of row that are told apart, by the heading of their column.
VIEWS: Mapping[str, str] = {
    "file": "all rows",
    "file, with picture": "with picture",
    "file, sound alone": "sound alone",
}


@dataclass(frozen=True, slots=True)
class Beside:
    """AUC of a control and of a detector on the rows of a view that both scored.

    Attributes:
        control: Its title.
        detector: Its name.
        view: Of ``VIEWS``.
        reals: Genuine rows that both scored.
        fakes: Forged ones.
        control_auc: AUC of the control.
        detector_auc: AUC of the detector.
        above: Detector minus control, both bootstrapped with the same draws of people.
    """

    control: str
    detector: str
    view: str
    reals: int
    fakes: int
    control_auc: Estimate
    detector_auc: Estimate
    above: Estimate


def stand_beside(
    rows: pd.DataFrame,
    controls: Mapping[str, pd.DataFrame],
    detectors: Mapping[str, pd.DataFrame],
    resamples: int = RESAMPLES,
) -> Iterator[Beside]:
    """Yield every detector beside every control, for each kind of row in which both classes have both scores.

    Args:
        rows: Of a manifest.
        controls: Scores (``path``, ``p_file``) by the control's title.
        detectors: Scores by the detector's name.
        resamples: Bootstrap resamples over identities; 0 gives no intervals.
    """
    for detector, ours in detectors.items():
        for title, scores in controls.items():
            for view in views_of(rows):
                if view.name in VIEWS:
                    try:
                        found = compare_systems(
                            rows[view.mask], {detector: ours, title: scores}, {}, resamples=resamples
                        )
                    except DataError:  # the control sees nothing of these rows, or of one class alone
                        continue
                    above = next(item for item in found.differences if item.metric == "auc")
                    first, second = found.measured[detector], found.measured[title]
                    yield Beside(title, detector, view.name, first.reals, first.fakes, second.estimates["auc"],
                                 first.estimates["auc"], above.estimate)  # fmt: skip


def beside_markdown(found: Sequence[Beside], detector: str) -> str:
    """Return the table of one detector: a line for each control, its AUC and the detector's in pairs of columns."""
    chosen = {(item.control, item.view): item for item in found if item.detector == detector}
    views = {view: title for view, title in VIEWS.items() if any(key[1] == view for key in chosen)}
    lines = []
    for control in dict.fromkeys(item.control for item in found):
        cells: list[str] = []
        for view in views:
            item = chosen.get((control, view))
            cells += [item.control_auc.text(), item.detector_auc.text()] if item else ["-", "-"]
        lines.append([control, *cells])
    headings = [heading for title in views.values() for heading in (f"{title}: AUC", f"{detector} on the same rows")]
    return markdown_table(["control", *headings], lines)


def nearest_text(found: Sequence[Beside], detector: str) -> str:
    """Return which control comes nearest to a detector in each kind of row, in words."""
    parts = []
    for view, title in VIEWS.items():
        items = [item for item in found if item.detector == detector and item.view == view]
        if items:
            least = min(items, key=lambda item: item.above.value)
            parts.append(f"{title} {least.above.text()} above {least.control}")
    return f"AUC of {detector} over the control that comes nearest: {'; '.join(parts)}." if parts else ""
