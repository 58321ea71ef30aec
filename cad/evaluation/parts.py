# SPDX-License-Identifier: Apache-2.0
"""Gives the runner the parts of a protocol: named sets of rows, each with how a row's file is made from the clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from cad.data.manifest import Manifest
from cad.errors import DataError
from cad.evaluation.genuine_pairs import desync_parts, splice_parts
from cad.evaluation.part import Make, Part
from cad.evaluation.perturb.catalogue import REENCODED, perturb_file, perturbation
from cad.evaluation.perturb.edits import cut_clip_from, trim_leading_silence
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.row_views import has_picture, sample_rows
from cad.metrics.score_counts import identity_codes


def parts_of(protocol: Protocol, manifests: Mapping[str, Manifest]) -> Iterator[Part]:
    """Yield the parts of a protocol over one or several named manifests.

    Raises:
        DataError: No row is left, or the rows lack what the protocol needs.
    """
    for name, manifest in manifests.items():
        chosen = _only(manifest.select(protocol.split or None), protocol)
        kind_parts = _KINDS[protocol.kind]
        for part in kind_parts(protocol, chosen):
            title = f"{name}: {part.name}" if len(manifests) > 1 else part.name
            if part.rows.empty:
                raise DataError(f"{protocol.name}: no row is left for {title} ({dict(part.left_out)})")
            yield Part(title, part.rows.reset_index(drop=True), part.root, part.makes, part.left_out)


def _only(manifest: Manifest, protocol: Protocol) -> Manifest:
    """Return the manifest with the rows that the protocol takes."""
    if protocol.rows == "all":
        return manifest
    chosen = has_picture(manifest.rows)
    if protocol.rows == "genuine_with_picture":
        chosen &= (manifest.rows["label"] == 0).to_numpy()
    if not chosen.any():
        raise DataError(f"{protocol.name}: the split has no row that is {protocol.rows.replace('_', ' ')}")
    return dataclasses.replace(manifest, rows=manifest.rows[chosen].reset_index(drop=True))


def _conditions(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    rows = sample_rows(manifest.rows, protocol.clips, protocol.seed)
    for condition in protocol.conditions:
        make = _CONDITIONS[condition]
        makes = {} if make is None else {path: partial(make, manifest.file(path)) for path in rows["path"]}
        yield Part(condition, rows, manifest.root, makes)


def _folds(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    """Yield balanced subject-independent folds: so many rows of each category, no identity in two folds."""
    rows = manifest.rows
    if rows["category"].nunique() < 2:
        raise DataError(f"{protocol.name} needs rows of several categories; there is {sorted(set(rows['category']))}")
    rng = np.random.default_rng(protocol.seed)
    codes = np.unique(identity_codes(rows["identity"].to_numpy()), return_inverse=True)[1]
    fold_of_identity = rng.permutation(int(codes.max()) + 1) % protocol.folds
    shuffled = rows.assign(fold=fold_of_identity[codes]).iloc[rng.permutation(len(rows))]
    share = -(-protocol.per_category // protocol.folds)
    for fold in range(protocol.folds):
        held = shuffled[shuffled["fold"] == fold]
        chosen = held.groupby("category").head(share).drop(columns="fold").sort_index()
        counts = chosen["category"].value_counts()
        short = {f"{name} short of {share}": int(share - count) for name, count in counts.items() if count < share}
        yield Part(f"fold {fold + 1}", chosen, manifest.root, {}, short)


def _held_out(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    import pandas

    rows = manifest.rows
    real = rows[rows["label"] == 0]
    for name, what in protocol.held_out.items():
        is_held_out = (rows["category"] == what["category"]) & rows["method"].isin(what["methods"])
        fakes = rows[is_held_out & (rows["label"] == 1)]
        # Without a fake the part is empty, which parts_of refuses.
        yield Part(name, fakes if fakes.empty else pandas.concat([real, fakes]), manifest.root)


def _whole(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    yield Part("all rows", sample_rows(manifest.rows, protocol.clips, protocol.seed), manifest.root)


def _robustness(protocol: Protocol, manifest: Manifest) -> Iterator[Part]:
    rows = sample_rows(manifest.rows, protocol.clips, protocol.seed)
    for name, levels in {"none": (0.0,), **protocol.perturbations}.items():
        for number, level in enumerate(levels, start=1):
            change = perturbation(name, level)
            makes = {
                path: partial(perturb_file, manifest.file(path), change=change, seed=protocol.seed)
                for path in rows["path"]
            }
            yield Part(f"{name} {number}" if name != "none" else "none", rows, manifest.root, makes)


_CONDITIONS: Mapping[str, Make | None] = {
    "as_is": None,
    "rewritten": partial(cut_clip_from, start_seconds=0.0),
    "trimmed": trim_leading_silence,
    "reencoded": partial(perturb_file, change=REENCODED),
}
_KINDS: Mapping[Kind, Callable[[Protocol, Manifest], Iterator[Part]]] = {
    Kind.CONDITIONS: _conditions,
    Kind.FOLDS: _folds,
    Kind.HELD_OUT: _held_out,
    Kind.TRANSFER: _whole,
    Kind.LOCALISATION: _whole,
    Kind.SPLICES: splice_parts,
    Kind.DESYNC: desync_parts,
    Kind.ROBUSTNESS: _robustness,
}
