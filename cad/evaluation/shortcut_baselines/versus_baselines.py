# SPDX-License-Identifier: Apache-2.0
"""Tells audits by how much a detector lies above a baseline, on exactly the rows that both scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import TYPE_CHECKING, Any

from cad.errors import DataError
from cad.evaluation.comparison import compare_systems
from cad.evaluation.row_views import views_of
from cad.evaluation.tables import estimate_from_json, estimate_json, markdown_table
from cad.metrics.bootstrap import RESAMPLES, Estimate

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of row, by view, and the headings of their columns.
VIEWS: Mapping[str, str] = {
    "file": "all rows",
    "file, with picture": "with picture",
    "file, sound alone": "sound alone",
}


@dataclass(frozen=True, slots=True)
class VersusBaseline:
    """AUC of a baseline and of a detector on the rows of a view that both scored.

    Attributes:
        control: The baseline's title.
        detector: Its name.
        view: Of ``VIEWS``.
        reals: Genuine rows that both scored.
        fakes: Forged ones.
        control_auc: AUC of the baseline.
        detector_auc: AUC of the detector.
        above: Detector minus baseline, both bootstrapped with the same draws of people.
    """

    control: str
    detector: str
    view: str
    reals: int
    fakes: int
    control_auc: Estimate
    detector_auc: Estimate
    above: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: estimate_json(value) if isinstance(value, Estimate) else value for name, value in values}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> VersusBaseline:
        """Return the record that ``to_json`` wrote."""
        stored = {field.name: raw[field.name] for field in fields(cls)}
        values: dict[str, Any] = {
            name: estimate_from_json(value) if isinstance(value, dict) else value for name, value in stored.items()
        }
        return cls(**values)


def versus_baselines(
    rows: pd.DataFrame,
    baselines: Mapping[str, pd.DataFrame],
    detectors: Mapping[str, pd.DataFrame],
    resamples: int = RESAMPLES,
) -> Iterator[VersusBaseline]:
    """Yield every detector beside every baseline, for each kind of row in which both classes have both scores.

    Args:
        rows: Of a manifest.
        baselines: Scores (``path``, ``p_file``) by the baseline's title.
        detectors: Scores by the detector's name.
        resamples: Bootstrap resamples over identities; 0 gives no intervals.
    """
    views = [view for view in views_of(rows) if view.name in VIEWS]
    for (detector, ours), (title, scores), view in product(detectors.items(), baselines.items(), views):
        try:
            found = compare_systems(rows[view.mask], {detector: ours, title: scores}, {}, resamples=resamples)
        except DataError:  # the baseline sees nothing of these rows, or of one class alone
            continue
        first, second = found.measured[detector], found.measured[title]
        auc, above = (second.estimates["auc"], first.estimates["auc"]), found.differences[detector, title]["auc"]
        yield VersusBaseline(title, detector, view.name, first.reals, first.fakes, *auc, above.estimate)


def versus_markdown(found: Sequence[VersusBaseline], detector: str) -> str:
    """Return the table of one detector: a line for each baseline, its AUC and the detector's in pairs of columns."""
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


def nearest_text(found: Sequence[VersusBaseline], detector: str) -> str:
    """Return which baseline comes nearest to a detector in each kind of row, in words."""
    parts = []
    for view, title in VIEWS.items():
        items = [item for item in found if item.detector == detector and item.view == view]
        if items:
            least = min(items, key=lambda item: item.above.value)
            parts.append(f"{title} {least.above.text()} above {least.control}")
    return f"AUC of {detector} over the control that comes nearest: {'; '.join(parts)}." if parts else ""
