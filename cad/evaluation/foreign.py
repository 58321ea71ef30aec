# SPDX-License-Identifier: Apache-2.0
"""Measures what other detectors left for tools/evaluate.py: scores on the parts of a protocol, proposed stretches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cad.data.manifest import Manifest, Problem
from cad.errors import OptionError
from cad.evaluation.joining import join_part, read_scores
from cad.evaluation.localisation import DEFINITIONS, Definition, localise
from cad.evaluation.part import Part
from cad.evaluation.parts import parts_of
from cad.evaluation.proposals import Stretches, join_proposals
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.report import build_report
from cad.evaluation.runner import PartResult
from cad.metrics.bootstrap import Estimate

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of protocols whose clips lie on disk as they are, all or some of them.
ON_DISK = (Kind.CONDITIONS, Kind.FOLDS, Kind.HELD_OUT, Kind.TRANSFER, Kind.LOCALISATION)


@dataclass(frozen=True, slots=True)
class ForeignScores:
    """Score files of another detector.

    Attributes:
        by_part: Scores by the part that they are of; under an empty name those of every other part.
        text: The files, for a person.
    """

    by_part: Mapping[str, pd.DataFrame]
    text: str

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ForeignScores:
        """Return the scores that ``[PART=]FILE`` name.

        Raises:
            DataError: A file cannot be read.
            OptionError: A part is named twice.
        """
        by_part: dict[str, pd.DataFrame] = {}
        texts = []
        for argument in arguments:
            part, _, path = ("", "", argument) if Path(argument).is_file() else argument.rpartition("=")
            if part in by_part:
                raise OptionError(f"--scores names {part or 'the scores of all parts'} twice")
            by_part[part] = read_scores(Path(path))
            texts.append(f"{part}={Path(path).name}" if part else Path(path).name)
        return cls(by_part, ", ".join(texts))

    def of(self, part: Part) -> pd.DataFrame | None:
        """Return the scores of a part; those of clips as they lie on disk say nothing of clips that are made."""
        own = self.by_part.get(part.name, self.by_part.get(part.name.rpartition(": ")[2]))
        return self.by_part.get("") if own is None and not part.makes else own


def measure_foreign(
    scores: ForeignScores,
    protocol: Protocol,
    manifests: Mapping[str, Manifest],
    known: Collection[str],
    threshold: float,
    resamples: int,
) -> tuple[list[PartResult], list[str]]:
    """Return the results of another detector on the parts of a protocol, and the parts without scores.

    Args:
        scores: Its scores.
        protocol: Whose clips, or some of them, lie on disk.
        manifests: By name.
        known: Paths of all rows of the manifests, also of those that are not measured.
        threshold: Called fake from here on.
        resamples: Bootstrap resamples a figure.

    Raises:
        OptionError: The protocol makes all its clips, a name is that of no part, or no part has scores.
        DataError: None of the rows of a part has a score.
    """
    if protocol.kind not in ON_DISK:
        raise OptionError(f"{protocol.name} makes the clips that it scores; --scores cannot stand for them")
    results, without, names = [], [], []
    for part in parts_of(protocol, manifests):
        names += [part.name, part.name.rpartition(": ")[2]]
        table = scores.of(part)
        if table is None:
            without.append(part.name)
            continue
        joined = join_part(part.rows, table, known)
        report = build_report(
            joined, {"file": threshold}, groups=protocol.groups, resamples=resamples, seed=protocol.seed
        )
        results.append(PartResult(part, joined, report))
    parts = ", ".join(dict.fromkeys(names))
    if unknown := [name for name in scores.by_part if name and name not in names]:
        raise OptionError(f"--scores names {', '.join(unknown)}; parts of {protocol.name} are {parts}")
    if not results:
        raise OptionError(f"no part of {protocol.name} has scores; give --scores PART=FILE for {parts}")
    return results, without


@dataclass(frozen=True, slots=True)
class LocatedPart:
    """How well another detector's proposals find the forged stretches of one part.

    Attributes:
        name: Of the part.
        reals: Genuine files.
        fakes: Forged files.
        segments: True stretches.
        proposals: Proposed ones.
        estimates: AP and AR.
        problems: What did not fit.
        notes: What a person should know.
    """

    name: str
    reals: int
    fakes: int
    segments: int
    proposals: int
    estimates: Mapping[str, Estimate]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def measure_proposals(
    proposals: Mapping[str, Stretches],
    protocol: Protocol,
    manifests: Mapping[str, Manifest],
    known: Collection[str],
    units_per_second: float | None,
    resamples: int,
) -> Iterator[LocatedPart]:
    """Yield how well proposals find the forged stretches of every part of a protocol.

    Args:
        proposals: By file (``read_proposals``).
        protocol: Of the kind localisation; says by whose definition.
        manifests: By name.
        known: Paths of all rows of the manifests, also of those that are not measured.
        units_per_second: Of the times in the file; None for the definition's own.
        resamples: Bootstrap resamples a figure.

    Raises:
        OptionError: The protocol is of another kind.
        DataError: No proposal belongs to any row.
    """
    if protocol.kind is not Kind.LOCALISATION:
        raise OptionError(f"--proposals is measured by a protocol of localisation, which {protocol.name} is not")
    definition = definition_of(protocol, units_per_second)
    for part in parts_of(protocol, manifests):
        joined = join_proposals(part.rows, proposals, definition, known)
        fakes = int((part.rows["label"] == 1).sum())
        yield LocatedPart(
            part.name,
            len(part.rows) - fakes,
            fakes,
            sum(len(file.truth) for file in joined.files),
            sum(len(file.proposals) for file in joined.files),
            localise(part.rows, joined.files, definition, resamples, protocol.seed),
            joined.problems,
            joined.notes,
        )


def definition_of(protocol: Protocol, units_per_second: float | None = None) -> Definition:
    """Return by whose definition a protocol measures stretches, with another unit of time if one is given.

    Raises:
        OptionError: The unit is none.
    """
    definition = DEFINITIONS[protocol.localisation]
    if units_per_second is not None and not units_per_second > 0:
        raise OptionError(f"--proposals-fps is {units_per_second}; it must be above 0 (1 where times are in seconds)")
    return definition if units_per_second is None else replace(definition, units_per_second=units_per_second)
