# SPDX-License-Identifier: Apache-2.0
"""Writes the fairness measurement down: tables for people, report.json and files.csv for programs."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cad.evaluation.fairness.bin_figures import (
    ALL,
    LEAST_FACE_PX,
    LEAST_FILES,
    MARGIN,
    MOST_MISSED,
    BinFigures,
    wilson,
)
from cad.evaluation.fairness.face_look import FaceLook
from cad.evaluation.fairness.measuring import FileMeasure
from cad.evaluation.fairness.properties import Property
from cad.evaluation.fairness.voice_look import VoiceLook
from cad.evaluation.tables import Cell, Document, Table, estimate_json
from cad.evaluation.writing import write_document
from cad.metrics.bootstrap import Estimate

TITLE = "Genuine files: who is called fake, and whose face is not seen"
#: Headings after the bin's own; the first three are there only where pictures are.
FACE_HEADINGS = ("no face found", f"the same, face of {LEAST_FACE_PX:g} px and more")
HEADINGS = ("called fake", "inconclusive", "mean probability of fake", "bar")
READING = (
    "Every file is genuine, so each that is called fake is wrongly called so. Shares are of the bin's files that could "
    "be read, with Wilson's 95 % interval; files of one person or page are no independent witnesses, so that the true "
    "intervals are wider. A face whose size nobody knows counts as a large one.",
    f"The bar: no bin of at least {LEAST_FILES} files is called fake more than {MARGIN * 100:g} points above the mean "
    f"of its kind of file, none has more than {MOST_MISSED:.0%} of its faces of {LEAST_FACE_PX:g} px and more missed. "
    f"A bin of fewer files is *small*: it is shown and not held to the bar. *May be chance*: the interval reaches down "
    "to what is allowed.",
    "Skin tone is the individual typology angle of the cheeks *in the picture*, which follows light and camera as well "
    "as skin. Pitch is no statement of sex.",
)


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """What is written down.

    Attributes:
        facts: What was measured with what, a line each.
        measures: Of every file.
        properties: How they were sorted.
        bins: Figures of every bin, those of a whole domain before its bins.
    """

    facts: Sequence[str]
    measures: Sequence[FileMeasure]
    properties: Sequence[Property]
    bins: Sequence[BinFigures]

    def mean_fake(self, domain: str) -> float:
        """Return the share of all files of a domain that are called fake."""
        return next(one.fake / one.files for one in self.bins if one.domain == domain and one.name == ALL)

    @property
    def broken(self) -> list[str]:
        """A line for each bin that breaks the bar."""
        return [
            f"{one.domain}, {one.name}{'' if one.name == ALL else f' {one.bin}'}: {' and '.join(words)}"
            for one in self.bins
            if (words := one.breaks(self.mean_fake(one.domain)))
        ]

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How many files could not be read, by code of the error."""
        return Counter(measure.error for measure in self.measures if not measure.kind)

    def document(self) -> Document:
        """Return the report as tables."""
        codes = ", ".join(f"{code} {count}" for code, count in sorted(self.unreadable.items()))
        broken = self.broken
        verdict = f"**The bar is broken** by: {'; '.join(broken)}." if broken else "The bar holds."
        facts = [*self.facts, *([f"Not readable and left out: {codes}."] if codes else []), *READING, verdict]
        groups: dict[tuple[str, str], list[BinFigures]] = {}
        for one in self.bins:
            groups.setdefault((one.domain, one.name), []).append(one)
        return Document(TITLE, facts, [self._table(*key, found) for key, found in groups.items()])

    def _table(self, domain: str, name: str, found: Sequence[BinFigures]) -> Table:
        has_picture = any(one.shown for one in found)
        headings = [name, "files", *(FACE_HEADINGS if has_picture else ()), *HEADINGS]
        return Table(f"{domain}: {name}", headings, [self._line(one, has_picture) for one in found])

    def _line(self, one: BinFigures, has_picture: bool) -> list[Cell]:
        faces: list[Cell] = [wilson(one.missed, one.shown), wilson(one.large_missed, one.large)] if has_picture else []
        mean = math.nan if one.mean_probability is None else one.mean_probability
        words = " and ".join(one.breaks(self.mean_fake(one.domain)))
        bar = f"**breaks it**: {words}" if words else ("small" if one.is_small else "holds")
        shares: list[Cell] = [wilson(one.fake, one.files), wilson(one.inconclusive, one.files)]
        return [one.bin, str(one.files), *faces, *shares, Estimate(mean), bar]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the single files as plain JSON values."""
        bins = [
            {
                **asdict(one),
                "missed_share": estimate_json(wilson(one.missed, one.shown)),
                "large_missed_share": estimate_json(wilson(one.large_missed, one.large)),
                "fake_share": estimate_json(wilson(one.fake, one.files)),
                "inconclusive_share": estimate_json(wilson(one.inconclusive, one.files)),
                "is_small": one.is_small,
                "breaks": list(one.breaks(self.mean_fake(one.domain))),
            }
            for one in self.bins
        ]
        bar = {"least_files": LEAST_FILES, "margin": MARGIN, "most_missed": MOST_MISSED, "least_face_px": LEAST_FACE_PX}
        return {
            "title": TITLE,
            "facts": list(self.facts),
            "bar": {**bar, "broken": self.broken},
            "unreadable": dict(self.unreadable),
            "bins": bins,
        }

    def write(self, folder: Path) -> Document:
        """Write report.md, report.csv, report.tex, report.json and files.csv, and return the tables."""
        document = self.document()
        write_document(document, folder)
        (folder / "report.json").write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        looks = [*(("face", field.name) for field in fields(FaceLook))]
        looks += [("voice", field.name) for field in fields(VoiceLook)]
        with (folder / "files.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            own = ("path", "kind", "answer", "probability", "faces", "error")
            sorts = [f"bin: {one.name}" for one in self.properties]
            writer.writerow([*own, *(f"{part}_{name}" for part, name in looks), *sorts])
            for one in self.measures:
                values = [getattr(one, name) for name in own]
                values += [getattr(getattr(one, part), name, None) for part, name in looks]
                writer.writerow([*values, *(p.bin_of(one) if one.kind in p.kinds else "" for p in self.properties)])
        return document
