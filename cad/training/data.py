# SPDX-License-Identifier: Apache-2.0
"""``CadData`` gives a training run its data: which rows, how they are mixed and forged, and the validation windows."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import lightning
import pandas
from torch.utils.data import DataLoader

from cad.data.augment import AugmentOptions
from cad.data.augment import augment as augment_labeled
from cad.data.checks import check_training
from cad.data.manifest import Manifest, Row, is_unnamed, manifest_of_clips, write_manifest
from cad.data.shards import ClipEntry, ClipStore
from cad.errors import OptionError
from cad.training.batches import Sample, collate
from cad.training.draw import Mix, SampleKind
from cad.training.labels import with_known_flags
from cad.training.loader import BatchNumbers, ResumableLoader, worker_options
from cad.training.sets import (
    JUDGED,
    DataSet,
    names_of,
    open_store,
    read_set,
    rows_to_be_judged_by,
    rows_to_learn_from,
    some,
)
from cad.training.train_samples import Augment, ForgeOptions, TrainSamples, WindowLengths
from cad.training.val_samples import ValSamples, ValWindow, limited, row_windows, sync_windows

_log = logging.getLogger(__name__)

#: Bounds on the length of a run that follows from the number of its rows.
LEAST_BATCHES, MOST_BATCHES = 20, 4000


class CadData(lightning.LightningDataModule):
    """Training and validation windows from shards.

    A run is one pass over ``batches`` numbered batches, so that a checkpoint anywhere in it can be continued exactly.

    Args:
        shards: Folders, files or glob patterns of shards; with several manifests, one for each, in their order. None to
            make them where they are missing.
        manifest: One or more, as ``datasets/prepare.py`` writes them; a set goes by its manifest's name. Checked in
            full before the first step. Labels are the manifest's, not those that shards carry; None for the shards'.
        root: Where the files are; None for where each manifest says.
        test_manifest: Further sets, which the run is judged by at its end and never sees before.
        set_weights: How often each set is drawn from, relative to the others; 1 for those not named.
        val_share: Share of the train rows, by person, that a set without val rows is judged by; 0 to refuse such sets.
        shard_folder: Where shards are made, in a folder by the set's name; None for ``shards`` beside the run's folder.
        batches: Length of the run in batches (of one process; optimizer steps times accumulated batches). None for what
            ``passes`` comes to, in LEAST_BATCHES to MOST_BATCHES.
        passes: Samples for each training row where ``batches`` is None.
        batch_size: Samples in a batch.
        val_batch_size: Windows in a validation batch.
        workers: Processes that make training samples.
        mix: Share of each kind of sample.
        lengths: How long windows are.
        forging: Which forgeries are made on the fly.
        streams: Which of video and audio are shown; clips without one of these are left out where only one is.
        augment: Whether both classes go through random degradation.
        augmentation: How often each treatment is applied.
        source_power: 1 draws rows evenly, 0 draws sources evenly.
        held_out_sources: Sources that are taken out of train and judged beside val.
        in_sync_sources: Sources whose synthetic voices were made to fit genuine lips. Their rows count as genuine in
            this run: more lips to learn synchrony from, for a stage that learns nothing else.
        val_windows: At most so many windows of a val row.
        val_per_source: At most so many val rows of each source and label; None for all.
        val_rows: Whether val rows are scored as they are.
        val_sync: Whether genuine val rows are scored against shifted and foreign sound.
        seed: Samples depend on this and their number alone.

    Raises:
        OptionError: A count is not positive, or a held-out source does not exist.
    """

    def __init__(
        self,
        shards: list[str] | None = None,
        manifest: list[str] | str | None = None,
        root: str | None = None,
        test_manifest: list[str] | str | None = None,
        set_weights: dict[str, float] | None = None,
        val_share: float = 0.0,
        shard_folder: str | None = None,
        batches: int | None = 1000,
        passes: float = 2.0,
        batch_size: int = 16,
        val_batch_size: int = 16,
        workers: int = 1,
        mix: Mix | None = None,
        lengths: WindowLengths | None = None,
        forging: ForgeOptions | None = None,
        streams: tuple[Literal["video", "audio"], ...] = ("video", "audio"),
        augment: bool = True,
        augmentation: AugmentOptions | None = None,
        source_power: float = 0.5,
        held_out_sources: list[str] | None = None,
        in_sync_sources: list[str] | None = None,
        val_windows: int = 1,
        val_per_source: int | None = None,
        val_rows: bool = True,
        val_sync: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("batches", batches), ("batch_size", batch_size), ("val_windows", val_windows)):
            if value is not None and value < 1:
                raise OptionError(f"{name} must be at least 1, got {value}")
        self.shards, self.root, self.shard_folder = shards, root, shard_folder
        self.manifests, self.test_manifests = _listed(manifest), _listed(test_manifest)
        if not self.manifests and self.test_manifests:
            raise OptionError("--data.test_manifest needs --data.manifest beside it")
        if not 0 <= val_share < 1:
            raise OptionError(f"val_share must be in [0, 1), got {val_share}")
        self.val_share, self.set_weights = val_share, dict(set_weights or {})
        if any(weight <= 0 for weight in self.set_weights.values()):
            raise OptionError(f"set_weights must be positive, got {self.set_weights}; leave a set out by its manifest")
        if unknown := sorted(self.set_weights.keys() - set(names_of(self.manifests))):
            raise OptionError(
                f"set_weights: no set {', '.join(unknown)}; there are {', '.join(names_of(self.manifests))}"
            )
        self.passes = passes
        self.batches, self.batch_size, self.val_batch_size, self.workers = batches, batch_size, val_batch_size, workers
        self.mix, self.lengths, self.forging = mix or Mix(), lengths or WindowLengths(), forging or ForgeOptions()
        self.streams = frozenset(streams)
        self.augment, self.augmentation = augment, augmentation
        self.source_power, self.held_out_sources = source_power, tuple(held_out_sources or ())
        self.in_sync_sources = frozenset(in_sync_sources or ())
        self.val_windows, self.val_per_source = val_windows, val_per_source
        self.val_rows, self.val_sync, self.seed = val_rows, val_sync, seed
        self._sets: list[DataSet] = []
        self.rows: list[Row] = []
        self._kinds_said: list[SampleKind] = []
        self.store: ClipStore | None = None

    def prepare_data(self) -> None:
        """Make the shards that are missing, and keep the splits that were made here, in one process of the run.

        Raises:
            DataError: A manifest cannot be used, its files are not there, or the disk is too small.
        """
        for one, path in zip(self._all_sets(), self.split_manifests, strict=False):
            if one.is_held_back:
                write_manifest(one.manifest.rows, Path(path), one.manifest.root)
        for one in self._all_sets():
            one.make()

    @property
    def split_manifests(self) -> list[str]:
        """The manifests that training learns from; where val rows were held back, the run's own one that says which."""
        if self.trainer is None:
            return self.manifests
        folder = Path(self.trainer.default_root_dir)
        return [
            str(folder / f"{one.name}.parquet") if one.is_held_back else path
            for one, path in zip(self._all_sets(), self.manifests, strict=False)
        ]

    def setup(self, stage: str) -> None:
        """Open the shards and check every row before the first step.

        Raises:
            DataError: Shards cannot be read, or rows are not fit for training (each is named).
        """
        if self.store is not None:
            return
        sets = self._all_sets()
        store = open_store(sets)
        prefixes = [f"{one.name}/" if len(sets) > 1 else "" for one in sets]
        frames = [one.with_clips(store, prefix) for one, prefix in zip(sets, prefixes, strict=True)]
        self._check(frames, prefixes, store)
        rows = [row for frame in frames for row in Manifest(frame, Path()).records()]
        known = [with_known_flags(row, store.entry(row.path)) for row in rows]
        self.rows = [self._in_sync(row) for row in known if self._is_shown(store.entry(row.path))]
        self.store = store
        self._narrow_streams()
        unknown = sorted(set(self.held_out_sources) - {row.source for row in self.rows})
        if unknown:
            there = ", ".join(sorted({row.source for row in self.rows}))
            raise OptionError(f"held_out_sources: no source {', '.join(unknown)}; there are: {there}")
        if self.batches is None:
            processes = self.trainer.world_size if self.trainer is not None else 1
            wanted = round(self.passes * len(self.train_rows) / self.batch_size / processes)
            self.batches = min(max(wanted, LEAST_BATCHES), MOST_BATCHES)
        _log.info("%d training and %d validation rows; %d batches of %d", len(self.train_rows), len(self.judged_rows),
                  self.batches, self.batch_size)  # fmt: skip

    def _all_sets(self) -> list[DataSet]:
        """Return the sets that are learnt from and, after them, those that the run is only judged by."""
        if not self._sets:
            if not self.manifests and not self.shards:
                raise OptionError("nothing to learn from: name --data.manifest, as datasets/prepare.py writes it")
            if not self.manifests:
                places = tuple(self.shards or ())
                given = manifest_of_clips(ClipStore(places), ", ".join(places))
                self._sets = [DataSet("shards", rows_to_learn_from(given, "shards", self.val_share), places)]
                return self._sets
            paths = [*self.manifests, *self.test_manifests]
            shards = self._places(paths)
            for number, (path, name) in enumerate(zip(paths, names_of(paths), strict=True)):
                given = read_set(path, self.root)
                if number < len(self.manifests):
                    used = rows_to_learn_from(given, name, self.val_share)
                else:
                    used = rows_to_be_judged_by(given, name)
                is_held_back = number < len(self.manifests) and not (given.rows["split"] == "val").any()
                self._sets.append(DataSet(name, used, shards[name], self.shards is None, is_held_back))
        return self._sets

    def _places(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return where the shards of each set are."""
        names = names_of(paths)
        if self.shards is None:
            folder = self.trainer.default_root_dir if self.trainer is not None else "runs/latest"
            place = Path(self.shard_folder) if self.shard_folder else Path(folder).parent / "shards"
            return {name: (str(place / name),) for name in names}
        if len(paths) == 1:
            return {names[0]: tuple(self.shards)}
        if len(self.shards) != len(paths):
            raise OptionError(
                f"--data.shards: {len(self.shards)} places for {len(paths)} manifests; name one for each, in order"
            )
        return {name: (place,) for name, place in zip(names, self.shards, strict=True)}

    def _check(self, frames: Sequence[pandas.DataFrame], prefixes: Sequence[str], store: ClipStore) -> None:
        """Refuse rows that cannot be learnt from; say who is on both sides of a split."""
        learnt = list(zip(frames, prefixes, strict=True))[: max(len(self.manifests), 1)]
        # Two sets may call different people by one name.
        named = [frame.assign(identity=frame["identity"].where(frame["identity"].map(is_unnamed), prefix +
                 frame["identity"])) for frame, prefix in learnt]  # fmt: skip
        union = Manifest(pandas.concat(named, ignore_index=True), Path())
        where = ", ".join(self.manifests or self.shards or ())
        shared = check_training(union, {entry.key: entry for entry in store}, where)
        if shared:
            _log.warning("%d people are in train and in val, which flatters val: %s", len(shared), some(shared))

    def _is_shown(self, entry: ClipEntry) -> bool:
        has = {"video": entry.has_frames, "audio": entry.has_audio}
        return any(has[stream] for stream in self.streams)

    def _narrow_streams(self) -> None:
        """Show only streams that some training clip has: a set of sound alone teaches nothing about pictures."""
        assert self.store is not None
        entries = [self.store.entry(row.path) for row in self.train_rows]
        has = {"video": any(entry.has_frames for entry in entries), "audio": any(entry.has_audio for entry in entries)}
        for stream, what in (("video", "a picture"), ("audio", "sound")):
            if stream in self.streams and not has[stream] and len(self.streams) > 1:
                self.streams -= {stream}
                _log.warning("no training clip has %s: the %s stream learns nothing and keeps its start", what, stream)

    def _in_sync(self, row: Row) -> Row:
        fits = row.split == "train" and row.source in self.in_sync_sources and row.video_fake == 0
        return dataclasses.replace(row, label=0, audio_fake=0) if fits else row

    @property
    def set_names(self) -> list[str]:
        """Names of all sets, those that the run is only judged by included."""
        return [one.name for one in self._all_sets()]

    def set_of(self, key: str) -> str:
        """Return the name of the set that the clip ``key`` belongs to."""
        return key.split("/", 1)[0] if len(self._all_sets()) > 1 else self.set_names[0]

    @property
    def train_rows(self) -> list[Row]:
        """Rows that training draws from."""
        return [row for row in self.rows if row.split == "train" and row.source not in self.held_out_sources]

    @property
    def judged_rows(self) -> list[Row]:
        """Val rows and, after them, the train rows of held-out sources."""
        val = limited([row for row in self.rows if row.split == "val"], self.val_per_source)
        held_out = [row for row in self.rows if row.source in self.held_out_sources]
        return val + [row for row in limited(held_out, self.val_per_source) if row.split == "train"]

    def train_samples(self) -> TrainSamples:
        """Return the training samples by number; kinds of samples without rows are named.

        Raises:
            DataError: No kind of sample has rows, or only those of one class.
        """
        samples = TrainSamples(
            self._opened(),
            self.train_rows,
            self.mix,
            self.lengths,
            self.forging,
            self.source_power,
            self.streams,
            self._augment(),
            self.seed,
            {name: self.set_weights.get(name, 1.0) for name in self.set_names} if len(self._all_sets()) > 1 else None,
        )
        if samples.kinds_without_rows != self._kinds_said:
            self._kinds_said = samples.kinds_without_rows
            _log.warning("no rows for samples of kind %s: share 0", ", ".join(samples.kinds_without_rows))
        return samples

    @property
    def tested_rows(self) -> list[Row]:
        """Rows of the sets that the run is only judged by."""
        return [row for row in self.rows if row.split == JUDGED]

    def fixed_windows(self) -> list[ValWindow]:
        """Return the fixed validation windows."""
        items: list[ValWindow] = []
        if self.val_rows:
            items += row_windows(self._opened(), self.judged_rows, self.lengths.slots, self.val_windows, self.streams)
        if self.val_sync:
            items += sync_windows(self._opened(), self.judged_rows, self.lengths.slots)
        return items

    @functools.cached_property
    def table_windows(self) -> list[ValWindow]:
        """Windows of the val rows and of the sets that the run is only judged by, for the table at its end."""
        if not self.val_rows:
            return []
        val = limited([row for row in self.rows if row.split == "val"], self.val_per_source)
        return row_windows(
            self._opened(), [*val, *self.tested_rows], self.lengths.slots, self.val_windows, self.streams
        )

    def table_dataloader(self) -> DataLoader[Sample]:
        """Return ``table_windows`` in batches."""
        return self._window_loader(self.table_windows)

    def _augment(self) -> Augment | None:
        return functools.partial(augment_labeled, options=self.augmentation) if self.augment else None

    def _opened(self) -> ClipStore:
        if self.store is None:
            self.prepare_data()
            self.setup("fit")
        assert self.store is not None
        return self.store

    def train_dataloader(self) -> ResumableLoader:
        """Return the run's batches, of this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        self._opened()
        assert self.batches is not None
        numbers = BatchNumbers(self.batches, self.batch_size, rank, world)
        return ResumableLoader(self.train_samples(), numbers, self.workers, self._pin_memory)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the validation windows; in a parallel run each process scores its share."""
        items = self.fixed_windows()
        if self.trainer is not None:
            items = _share(items, self.trainer.global_rank, self.trainer.world_size)
        return self._window_loader(items)

    def _window_loader(self, items: Sequence[ValWindow]) -> DataLoader[Sample]:
        return DataLoader(
            ValSamples(self._opened(), items, self.lengths.slots, self.streams),
            batch_size=self.val_batch_size,
            collate_fn=collate,
            pin_memory=self._pin_memory,
            **worker_options(self.workers),
        )

    @property
    def _pin_memory(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"


def _listed(paths: list[str] | str | None) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths or ())


def _share(items: Sequence[ValWindow], rank: int, world_size: int) -> list[ValWindow]:
    # Every process must run the same number of batches, or the others wait for it. Where the items do not divide
    # evenly, the last ones are shown twice and counted once (see cad.training.scores).
    count = -(-len(items) // world_size)
    return [items[min(rank + world_size * number, len(items) - 1)] for number in range(count)]
