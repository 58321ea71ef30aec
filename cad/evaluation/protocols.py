# SPDX-License-Identifier: Apache-2.0
"""Reads protocols for tools/evaluate.py: YAML files that say which rows are scored under which condition."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from cad.errors import MissingExtraError, OptionError
from cad.evaluation.localisation import DEFINITIONS
from cad.evaluation.paper_groups import PAPER_GROUPS
from cad.evaluation.perturb.catalogue import perturbation
from cad.evaluation.report import GROUPS


class Kind(StrEnum):
    """What a protocol does with the rows."""

    CONDITIONS = "conditions"  # all rows of the split, as they are and rewritten
    FOLDS = "folds"  # balanced subject-independent folds
    HELD_OUT = "held_out"  # one manipulation at a time against the genuine rows
    TRANSFER = "transfer"  # every data set by itself, with weights of another
    LOCALISATION = "localisation"  # forged stretches
    SPLICES = "splices"  # forged stretches, made from genuine rows
    DESYNC = "desync"  # shifted and dubbed genuine rows against controls cut alike
    ROBUSTNESS = "robustness"  # perturbations by level
    SHORTCUTS = "shortcuts"  # controls that no detector should lose against


CONDITIONS = ("as_is", "rewritten", "trimmed", "reencoded")
ROWS = ("all", "with_picture", "genuine_with_picture")


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol as its YAML file states it.

    Attributes:
        name: By which it is asked for.
        kind: What is done.
        title: For the report.
        dataset: Adapter that the rows come from, or empty for any manifest.
        split: Which split is scored; empty scores all rows.
        train_split: Which split controls are fitted on.
        rows: Which rows of the split take part, of ``ROWS``.
        conditions: Of ``CONDITIONS``.
        groups: Columns by which results are taken apart.
        folds: Number of folds.
        per_category: Rows of each category in the balanced set.
        held_out: Name -> category and methods that are held out together; a file may also list names of
            ``PAPER_GROUPS`` of its data set.
        shifts_seconds: By how much sound is cut later (positive) or earlier than the picture.
        min_seconds: Shortest clip that is left after cutting, or that is spliced.
        splice_seconds: Shortest and longest forged stretch.
        localisation: By whose definition AP and AR of stretches are measured, of ``DEFINITIONS``.
        perturbations: Name -> five levels.
        clips: At most so many rows of each class, chosen by ``seed``; 0 takes all.
        controls: Names of the shortcut controls.
        seed: Of everything that is drawn.
        source: Where the protocol comes from.
    """

    name: str
    kind: Kind
    title: str
    dataset: str = ""
    split: str = ""
    train_split: str = "train"
    rows: str = "all"
    conditions: tuple[str, ...] = ("as_is",)
    groups: tuple[str, ...] = GROUPS
    folds: int = 5
    per_category: int = 500
    held_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shifts_seconds: tuple[float, ...] = ()
    min_seconds: float = 1.0
    splice_seconds: tuple[float, float] = (0.4, 1.2)
    localisation: str = "cad"
    perturbations: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    clips: int = 0
    controls: tuple[str, ...] = ()
    seed: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        if unknown := set(self.conditions) - set(CONDITIONS):
            raise OptionError(f"{self.name}: unknown condition(s) {sorted(unknown)}; known are {list(CONDITIONS)}")
        if self.rows not in ROWS:
            raise OptionError(f"{self.name}: rows is {self.rows!r}; known are {list(ROWS)}")
        if self.localisation not in DEFINITIONS:
            raise OptionError(f"{self.name}: localisation is {self.localisation!r}; known are {list(DEFINITIONS)}")
        for name, levels in self.perturbations.items():
            for level in levels:
                perturbation(name, level)


def load_protocol(name: str, folder: Path) -> Protocol:
    """Return the protocol called ``name`` in ``folder``, or the one in the file ``name``.

    Raises:
        OptionError: There is none (the message names the nearest), or its file has an unknown key or a bad value.
        MissingExtraError: PyYAML is not installed.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise OptionError(f"there is no protocol {name!r}; {hint}known are {', '.join(known)}")
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("protocols need PyYAML: pip install 'cad-detect[train]'") from error
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise OptionError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise OptionError(f"{path} must hold keys and values")
    keys = {item.name for item in fields(Protocol)}
    if unknown := sorted(set(raw) - keys):
        nearest = {key: difflib.get_close_matches(str(key), keys, n=1) for key in unknown}
        raise OptionError(f"{path}: unknown key(s) {nearest}; known are {sorted(keys)}")
    try:
        values = {key: _frozen(value) for key, value in raw.items()}
        if isinstance(raw.get("held_out"), list):
            values["held_out"] = _named_groups(values["held_out"], str(raw.get("dataset", "")))
        return Protocol(**{"name": path.stem, **values, "kind": Kind(raw["kind"])})
    except (KeyError, ValueError, TypeError) as error:
        raise OptionError(f"{path}: {error}; kinds are {[kind.value for kind in Kind]}") from error


def _named_groups(names: Sequence[Any], dataset: str) -> dict[str, dict[str, Any]]:
    """Return what papers mean by the names of groups of a data set.

    Raises:
        ValueError: They name no such group.
    """
    known = PAPER_GROUPS.get(dataset, {})
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"held_out names {unknown}; groups of {dataset or 'no data set'} are {list(known)}")
    return {name: {"category": known[name].category, "methods": known[name].methods} for name in names}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value
