# SPDX-License-Identifier: Apache-2.0
"""Gives release tools what tools/evaluate.py and the audit of shortcuts stored as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad.errors import DataError
from cad.evaluation.shortcut_baselines.versus_baselines import VersusBaseline
from cad.evaluation.tables import estimate_from_json
from cad.metrics.bootstrap import Estimate


@dataclass(frozen=True, slots=True)
class StoredReport:
    """The report of one run.

    Attributes:
        folder: Where it lies.
        protocol: Its protocol.
        weights: Names and hashes of all weights that decided the scores, the detector's first.
        split: Which split was scored.
        parts: By name, in the order of the protocol, as ``cad.evaluation.writing`` stored them.
    """

    folder: Path
    protocol: str
    weights: str
    split: str
    parts: Mapping[str, Mapping[str, Any]]

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a part.

        Raises:
            DataError: There is none of that name.
        """
        if name not in self.parts:
            raise DataError(f"{self.folder} has no part {name!r}; it has {list(self.parts)}")
        return self.parts[name]


def read_report(folder: Path) -> StoredReport:
    """Return the report in a folder.

    Raises:
        DataError: There is none, or nothing is measured in it, or it does not say its weights and split.
    """
    path = folder / "report.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        facts, parts = " ".join(raw["facts"]), {part["name"]: part for part in raw["parts"]}
        is_measured = any(view["measured"] for part in raw["parts"][:1] for view in part["views"][:1])
        protocol = str(raw["protocol"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no report of tools/evaluate.py: {error!r}") from error
    weights, split = (re.search(rf"{what}: `([^`]+)`", facts) for what in ("Weights", "Split"))
    if weights is None or split is None or not is_measured:
        raise DataError(f"{path} does not say its weights and split, or nothing is measured in it")
    return StoredReport(folder, protocol, weights[1], split[1], parts)


def read_reports(*folders: Path) -> list[StoredReport]:
    """Return reports that may stand side by side.

    Raises:
        DataError: One is unusable, or was measured with other nets (weights, faces, speech) than the first.
    """
    first, *others = found = [read_report(folder) for folder in folders]
    for other in others:
        if other.weights != first.weights:
            raise DataError(f"{other.folder} was measured with {other.weights}, {first.folder} with {first.weights}")
    return found


def view_figures(part: Mapping[str, Any], view: str) -> dict[str, Estimate]:
    """Return the figures of one view of a part.

    Raises:
        DataError: The view is not there, or a class is absent in it.
    """
    measured = next((found["measured"] for found in part["views"] if found["name"] == view), None)
    if not measured:
        raise DataError(f"part {part['name']!r} has no figures of the view {view!r}")
    return {name: estimate_from_json(value) for name, value in measured["metrics"].items()}


def read_audit(path: Path, report: StoredReport) -> tuple[str, list[VersusBaseline]]:
    """Return our detector's name and every detector beside every baseline, from the JSON of an audit of shortcuts.

    Raises:
        DataError: It holds no detector, or its first one's scores are not those of ``report``.
    """
    raw = json.loads(path.read_text(encoding="utf-8"))
    if not raw["detectors"]:
        raise DataError(f"{path} has no detector beside the baselines; give --scores to audit_shortcuts.py")
    name, part = raw["detectors"][0], next(iter(report.parts.values()))
    audited, reported = raw["measured"][name]["file"]["auc"]["value"], view_figures(part, "file")["auc"].value
    if not math.isclose(audited, reported, abs_tol=2e-6):
        raise DataError(f"{path} has AUC {audited} for {name}, the report {reported}: they are of different scores")
    return name, [VersusBaseline.from_json(item) for item in raw["beside"]]
