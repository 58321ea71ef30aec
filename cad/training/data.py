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
from torch.utils.data import DataLoader

from cad.data.augment import AugmentOptions
from cad.data.augment import augment as augment_labeled
from cad.data.checks import TRAINING_COLUMNS, TRAINING_SPLITS, check_training
from cad.data.manifest import Row, manifest_of_clips, read_manifest
from cad.data.shards import ClipEntry, ClipStore
from cad.errors import OptionError
from cad.training.batches import Sample, collate
from cad.training.draw import Mix
from cad.training.loader import BatchNumbers, ResumableLoader, one_thread_each
from cad.training.train_samples import Augment, ForgeOptions, TrainSamples, WindowLengths
from cad.training.val_samples import ValSamples, ValWindow, limited, row_windows, sync_windows

_log = logging.getLogger(__name__)


class CadData(lightning.LightningDataModule):
    """Training and validation windows from shards.

    A run is one pass over ``batches`` numbered batches, so that a checkpoint anywhere in it can be continued exactly.

    Args:
        shards: Folders, files or glob patterns of shards.
        manifest: Checked in full before the first step, and its labels replace those that the shards carry; None to
            trust the shards.
        root: Where the manifest's files are; with it, missing and empty files are reported, too.
        excused: Rows of the manifest that may lack a clip (no face was found, say), by path; or a text file of them.
        batches: Length of the run in batches (of one process; optimizer steps times accumulated batches).
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
        shards: list[str],
        manifest: str | None = None,
        root: str | None = None,
        excused: list[str] | str | None = None,
        batches: int = 1000,
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
            if value < 1:
                raise OptionError(f"{name} must be at least 1, got {value}")
        self.shards, self.manifest, self.root, self.excused = shards, manifest, root, excused
        self.batches, self.batch_size, self.val_batch_size, self.workers = batches, batch_size, val_batch_size, workers
        self.mix, self.lengths, self.forging = mix or Mix(), lengths or WindowLengths(), forging or ForgeOptions()
        self.streams = frozenset(streams)
        self.augment, self.augmentation = augment, augmentation
        self.source_power, self.held_out_sources = source_power, tuple(held_out_sources or ())
        self.in_sync_sources = frozenset(in_sync_sources or ())
        self.val_windows, self.val_per_source = val_windows, val_per_source
        self.val_rows, self.val_sync, self.seed = val_rows, val_sync, seed
        self.rows: list[Row] = []
        self.store: ClipStore | None = None

    def setup(self, stage: str) -> None:
        """Open the shards and check every row before the first step.

        Raises:
            DataError: Shards cannot be read, or rows are not fit for training (each is named).
        """
        if self.store is None:
            store = ClipStore(self.shards)
            self.rows = [row for row in self._checked_rows(store) if self._is_shown(store.entry(row.path))]
            self.store = store
            _log.info("%d training and %d validation rows", len(self.train_rows), len(self.judged_rows))

    def _is_shown(self, entry: ClipEntry) -> bool:
        has = {"video": entry.has_frames, "audio": entry.has_audio}
        return any(has[stream] for stream in self.streams)

    def _checked_rows(self, store: ClipStore) -> list[Row]:
        where = self.manifest or ", ".join(self.shards)
        if self.manifest is None:
            manifest = manifest_of_clips(store, where)
        else:
            manifest = read_manifest(self.manifest, self.root, TRAINING_COLUMNS)
            paths = manifest.rows["path"]
            manifest = manifest.where(paths.isin(store.keys) | ~paths.isin(self._excused_paths()))
        manifest, others = manifest.in_splits(TRAINING_SPLITS)
        if others:
            _log.info("rows of other splits, passed over: %s", others)
        files = self.manifest is not None and self.root is not None
        check_training(manifest, {entry.key: entry for entry in store}, where, files=files)
        rows = manifest.records()
        unknown = sorted(set(self.held_out_sources) - {row.source for row in rows})
        if unknown:
            known = ", ".join(sorted({row.source for row in rows}))
            raise OptionError(f"held_out_sources: no source {', '.join(unknown)}; there are: {known}")
        return [dataclasses.replace(row, label=0, audio_fake=0) if self._fits_lips(row) else row for row in rows]

    def _fits_lips(self, row: Row) -> bool:
        return row.split == "train" and row.source in self.in_sync_sources and row.video_fake == 0

    def _excused_paths(self) -> set[str]:
        if isinstance(self.excused, str):
            lines = Path(self.excused).read_text(encoding="utf-8").splitlines()
            return {line.split("\t")[0] for line in lines}
        return set(self.excused or ())

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
        """Return the training samples by number.

        Raises:
            DataError: A kind of sample with a share has no rows.
        """
        return TrainSamples(
            self._opened(),
            self.train_rows,
            self.mix,
            self.lengths,
            self.forging,
            self.source_power,
            self.streams,
            self._augment(),
            self.seed,
        )

    def fixed_windows(self) -> list[ValWindow]:
        """Return the fixed validation windows."""
        items: list[ValWindow] = []
        if self.val_rows:
            items += row_windows(self._opened(), self.judged_rows, self.lengths.slots, self.val_windows, self.streams)
        if self.val_sync:
            items += sync_windows(self._opened(), self.judged_rows, self.lengths.slots)
        return items

    def _augment(self) -> Augment | None:
        return functools.partial(augment_labeled, options=self.augmentation) if self.augment else None

    def _opened(self) -> ClipStore:
        self.setup("fit")
        assert self.store is not None
        return self.store

    def train_dataloader(self) -> ResumableLoader:
        """Return the run's batches, of this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        numbers = BatchNumbers(self.batches, self.batch_size, rank, world)
        return ResumableLoader(self.train_samples(), numbers, self.workers, self._pin_memory)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the validation windows; in a parallel run each process scores its share."""
        items = self.fixed_windows()
        if self.trainer is not None:
            items = _share(items, self.trainer.global_rank, self.trainer.world_size)
        samples = ValSamples(self._opened(), items, self.lengths.slots, self.streams)
        return DataLoader(
            samples,
            batch_size=self.val_batch_size,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=self._pin_memory,
            worker_init_fn=one_thread_each,
        )

    @property
    def _pin_memory(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"


def _share(items: Sequence[ValWindow], rank: int, world_size: int) -> list[ValWindow]:
    # Every process must run the same number of batches, or the others wait for it. Where the items do not divide
    # evenly, the last ones are shown twice and counted once (see cad.training.scores).
    count = -(-len(items) // world_size)
    return [items[min(rank + world_size * number, len(items) - 1)] for number in range(count)]
