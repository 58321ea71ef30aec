# SPDX-License-Identifier: Apache-2.0
"""``gather`` gives the forgery ablation what its figures are computed from: rows, their folds and their statistics."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.data.forge import Stream
from cad.data.forge.learned import FOLDER_VARIABLE, LEARNED, usable_forgers
from cad.data.manifest import Row
from cad.data.shards import ClipStore
from cad.training.batches import Sample
from cad.training.donors import StoreDonors
from cad.training.forgery_ablation.folds import folds_of_sources
from cad.training.forgery_ablation.statistics import Statistics, kept
from cad.training.forgery_ablation.windows import Windows, forged_rows, genuine_rows, kinds_of
from cad.training.val_samples import limited

_log = logging.getLogger(__name__)

Known = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked at.

    Attributes:
        stream: Video or audio.
        slots: Length of a window.
        per_source: At most so many genuine and so many forged rows of a source.
        folds: Groups of sources that are left out in turn.
        seed: Of windows, forgeries and treatments.
    """

    stream: Stream
    slots: int
    per_source: int
    folds: int = 4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows and folds, and statistics by path of the row.

    Attributes:
        rows: Genuine and forged rows.
        fold_of: Fold of each source.
        plain: Of all rows, untreated: what is scored.
        genuine: Of genuine rows, treated.
        forged: Of forged rows, treated.
        kinds: Of genuine rows forged by each kind, treated.
    """

    rows: tuple[Row, ...]
    fold_of: Mapping[str, int]
    plain: Known
    genuine: Known
    forged: Known
    kinds: Mapping[str, Known]


def gather(store: ClipStore, rows: Sequence[Row], plan: Plan, statistics: Statistics, folder: Path) -> Gathered:
    """Return the statistics of the train rows among ``rows``, kept in ``folder``.

    A kind that no clip allows, or whose networks are not there, is left out, and the log says so.

    Args:
        store: Where the clips are.
        rows: The manifest.
        plan: What is looked at.
        statistics: Of a sample.
        folder: Where they are kept.
    """
    train = [row for row in rows if row.split == "train"]
    all_real, all_fake = genuine_rows(store, train, plan.stream), forged_rows(store, train, plan.stream)
    fold_of = folds_of_sources(all_real, all_fake, plan.folds)
    real, fake = limited(all_real, plan.per_source), limited(all_fake, plan.per_source)
    # A donor comes from the sources of the same fold: what is scored is never heard in the fit.
    donors = [
        StoreDonors(store, [row for row in train if fold_of.get(row.source) == fold]) for fold in range(plan.folds)
    ]
    windows = Windows(store, plan.stream, plan.slots, lambda row: donors[fold_of[row.source]], plan.seed)

    def of(name: str, made_from: Sequence[Row], make: Callable[[Row], Sample | None]) -> Known:
        by_path = {row.path: row for row in made_from}

        def compute(path: str) -> NDArray[np.float32] | None:
            sample = make(by_path[path])
            return None if sample is None else statistics(sample)

        # The name says what a window depends on. The number of rows is not part of it: more rows only add to the file.
        path = folder / f"{plan.stream}-{plan.slots}slots-{plan.folds}folds-seed{plan.seed}" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        return kept(path, list(by_path), compute, f"{plan.stream} {name}")

    plain, treated = of("plain", [*real, *fake], windows.plain), of("genuine", real, windows.treated)
    forged = of("forged_rows", fake, windows.treated)
    kinds: dict[str, Known] = {}
    for kind in kinds_of(plan.stream):
        if kind not in usable_forgers():
            _log.info("%s is passed over: %s does not name a folder of trained networks", kind, FOLDER_VARIABLE)
            continue
        found = of(f"{kind}{_networks_of(kind)}", real, lambda row, kind=kind: windows.forged(row, kind))  # type: ignore[misc]
        if found:
            kinds[kind] = found
        else:
            _log.info("%s is passed over: no clip allows it, or a package that it needs is not installed", kind)
    return Gathered((*real, *fake), fold_of, plain, treated, forged, kinds)


def _networks_of(kind: str) -> str:
    """Return a suffix that names the trained networks behind a kind by their bytes; empty for the others."""
    if kind not in LEARNED:
        return ""
    stem = "vocoder" if kind == "neural_vocoder" else kind
    files = sorted(Path(os.environ.get(FOLDER_VARIABLE, "")).glob(f"{stem}_*.onnx"))
    return f"-{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:8]}"
