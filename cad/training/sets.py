# SPDX-License-Identifier: Apache-2.0
"""Data sets of a run: each a manifest as ``datasets/prepare.py`` writes it, with the rows that training may use."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cad.data.checks import TRAINING_SPLITS, missing_files
from cad.data.manifest import Manifest, read_manifest
from cad.data.sharding import FAILURES_NAME, make_shards
from cad.data.shards import ClipStore, shard_paths
from cad.errors import DataError, OptionError
from cad.training.holding_back import held_back

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

#: Split of the rows of a set that a run is only judged by.
JUDGED = "test"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class DataSet:
    """One set.

    Attributes:
        name: The manifest's stem.
        manifest: The rows that are used, with their splits: train and val, or ``JUDGED`` alone.
        shards: Where its clips are (folder, file or glob patterns), or the folder that they are to be made in.
        is_made: Whether shards that are missing are made.
        is_held_back: Whether its val rows are training rows that were held back here.
    """

    name: str
    manifest: Manifest
    shards: tuple[str, ...]
    is_made: bool = False
    is_held_back: bool = False

    def make(self) -> None:
        """Make the shards that are missing.

        Raises:
            DataError: No file is there, the disk is too small, or a shard is damaged.
        """
        if not self.is_made:
            return
        (folder,) = map(Path, self.shards)
        absent = missing_files(self.manifest)
        if len(absent) == len(self.manifest.rows) and not any(folder.glob("*.tar")):
            where = self.manifest.root
            raise DataError(
                f"{self.name}: not one of {len(absent)} files is under {where}; --data.root names the folder"
            )
        if absent:
            _log.warning("%s: %d of %d files are missing or empty: %s", self.name, len(absent),
                         len(self.manifest.rows), some(absent))  # fmt: skip
        make_shards(self.manifest.records(), self.manifest.root, folder, self.name)

    def with_clips(self, store: ClipStore, prefix: str) -> pd.DataFrame:
        """Return the rows that have a clip, by the store's keys; those without one are counted, with their reasons.

        Args:
            store: Where the clips are.
            prefix: What keys and sources begin with: the set's name and a slash where a run has several.

        Raises:
            DataError: A row has neither a clip nor a known reason, or another file than its clip was made from.
        """
        rows = self.manifest.rows
        if prefix:
            rows = rows.assign(path=prefix + rows["path"], source=prefix + rows["source"])
        has_clip = rows["path"].isin(store.keys)
        absent = [path.removeprefix(prefix) for path in rows["path"][~has_clip]]
        reasons = self._failures() if absent else {}
        unknown = [path for path in absent if path not in reasons]
        if unknown:
            raise DataError(f"{self.name}: no clip in the shards ({', '.join(self.shards)}): {some(unknown)}")
        if absent:
            counts = Counter(reasons[path] for path in absent).most_common(3)
            listed = "; ".join(f"{reason} ({count})" for reason, count in counts)
            _log.warning("%s: %d of %d rows give no clip and are left out: %s; all of them: %s", self.name,
                         len(absent), len(rows), listed, FAILURES_NAME)  # fmt: skip
        rows = rows[has_clip]
        stated = rows.loc[rows["sha256"] != "", ["path", "sha256"]].itertuples(index=False)
        other = [path for path, sha256 in stated if store.entry(path).row.get("sha256") not in ("", None, sha256)]
        if other:
            raise DataError(
                f"{self.name}: the clips in {', '.join(self.shards)} were made from other files (sha256) than the "
                f"manifest names: {some(other)}; delete these shards, or name another --data.shard_folder"
            )
        return rows

    def _failures(self) -> dict[str, str]:
        """Return why rows have no clip, by path, as those who made the shards left it beside them."""
        found: dict[str, str] = {}
        for folder in sorted({path.parent for path in shard_paths(self.shards)}):
            if (folder / FAILURES_NAME).is_file():
                with (folder / FAILURES_NAME).open(newline="", encoding="utf-8") as stream:
                    found |= {fields[0]: fields[1] for fields in csv.reader(stream, delimiter="\t")}
        return found


def names_of(manifests: Sequence[str]) -> list[str]:
    """Return the names of sets: the stems of their manifests.

    Raises:
        OptionError: Two have the same.
    """
    names = [Path(path).stem for path in manifests]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise OptionError(f"several manifests are called {', '.join(twice)}; a set goes by its manifest's name")
    return names


def rows_to_learn_from(manifest: Manifest, name: str, val_share: float) -> Manifest:
    """Return the rows of a set that training learns from and is judged by, split into train and val.

    Rows of other splits are passed over and counted. Where no row is marked as one to train on, those without a split
    are. Where none is in val, a share of the training rows is held back (``held_back``); test rows are never touched.

    Args:
        manifest: The set.
        name: For messages.
        val_share: Share of the training rows to be judged by where the set has no val rows; 0 for none.

    Raises:
        DataError: The set has no rows to learn from or to be judged by.
    """
    splits = manifest.rows["split"]
    if not (splits == "train").any() and (splits == "").any():
        _log.info("%s: no row is marked as train; the %d without a split are taken", name, (splits == "").sum())
        manifest = _with_splits(manifest, splits.mask(splits == "", "train"))
    manifest, others = manifest.in_splits(TRAINING_SPLITS)
    if others:
        counts = ", ".join(f"{count} {split or 'without one'}" for split, count in others.items())
        _log.info("%s: rows of other splits, passed over: %s", name, counts)
    if not (manifest.rows["split"] == "train").any():
        raise DataError(f"{name}: train has no rows; a set to be judged by alone goes to --data.test_manifest")
    if not (manifest.rows["split"] == "val").any():
        if not val_share:
            raise DataError(f"{name}: val has no rows; --data.val_share 0.1 holds a tenth of the train rows back")
        held, together = held_back(manifest.records(), val_share)
        is_held = manifest.rows["path"].isin(held)
        manifest = _with_splits(manifest, manifest.rows["split"].mask(is_held, "val"))
        _log.info("%s: val has no rows; %d of %d train rows are held back for it; what stays together: %s",
                  name, len(held), len(is_held), together)  # fmt: skip
    return manifest


def rows_to_be_judged_by(manifest: Manifest, name: str) -> Manifest:
    """Return the rows of a set that a run is only judged by: its test rows, or all of them where it has none."""
    if (manifest.rows["split"] == JUDGED).any():
        manifest, others = manifest.in_splits([JUDGED])
        passed = f"; {sum(others.values())} others are passed over" if others else ""
        _log.info("%s: judged by its %d test rows%s", name, len(manifest.rows), passed)
        return manifest
    _log.info("%s: no test rows; judged by all %d", name, len(manifest.rows))
    return _with_splits(manifest, JUDGED)


def read_set(path: str, root: str | None) -> Manifest:
    """Return the manifest of a set.

    Raises:
        DataError: It cannot be used, or a path stands in it twice.
    """
    manifest = read_manifest(path, root)
    if manifest.repeated_paths:
        raise DataError(f"{path}: path occurs twice: {some(manifest.repeated_paths)}")
    return manifest


def open_store(sets: Sequence[DataSet]) -> ClipStore:
    """Return the clips of sets; with several, keys begin with the set's name.

    Raises:
        DataError: A set has no shards, or one cannot be read.
    """
    if len(sets) == 1:
        return ClipStore(sets[0].shards)
    return ClipStore.of_sets({one.name: one.shards for one in sets})


def _with_splits(manifest: Manifest, splits: object) -> Manifest:
    return replace(manifest, rows=manifest.rows.assign(split=splits))


def some(names: Sequence[str]) -> str:
    """Return the first few of ``names``, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
