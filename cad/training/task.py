# SPDX-License-Identifier: Apache-2.0
"""``CadTask`` is the training task: a thin layer of Lightning around a net and its losses."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cad.errors import OptionError
from cad.models.losses import Losses
from cad.models.output import CadOutput
from cad.spec import HEADS
from cad.training.batches import Batch
from cad.training.criterion import labels_without
from cad.training.in_use import heads_of, require_starts
from cad.training.parameters import (
    OptimizerOptions,
    freeze,
    learning_rate_share,
    make_optimizer,
    rest_frozen_parts,
)
from cad.training.scores import Scored, by_clip, figures, mean_auc
from cad.training.set_table import judge_sets
from cad.training.start import StartFrom, load_parts
from cad.training.val_samples import ValSamples, ValWindow


@dataclass(frozen=True, slots=True)
class StreamDropout:
    """How often a window that has both streams is trained on without one of them.

    Attributes:
        video: Share without the picture.
        audio: Share without the sound.
    """

    video: float = 0.0
    audio: float = 0.0

    def __post_init__(self) -> None:
        if min(self.video, self.audio) < 0 or self.video + self.audio > 1:
            raise OptionError(f"stream_dropout: shares must be >= 0 and at most 1 together, got {self}")


class CadTask(lightning.LightningModule):
    """Trains ``net``; validation gives figures by stream and by source.

    Args:
        net: Frames and sound in, CadOutput out (see ``cad.spec``).
        criterion: Output and batch in, ``cad.models.losses.Losses`` out.
        optimizer: Which parameters learn, and how fast.
        start_from: Weights to begin with.
        stream_dropout: How often a stream is left out, for the net to learn to do without; None for never.
        step_seed: Chance inside the net (dropout) depends on this and the number of the batch alone, so that a
            resumed run goes on exactly.

    Raises:
        OptionError: The parameter groups or the weights to start from do not fit the net.
    """

    def __init__(
        self,
        net: nn.Module,
        criterion: nn.Module,
        optimizer: OptimizerOptions,
        start_from: list[StartFrom] | None = None,
        stream_dropout: StreamDropout | None = None,
        step_seed: int = 0,
    ) -> None:
        super().__init__()
        self.net = net
        self.criterion = criterion
        self.optimizer_options = optimizer
        self.stream_dropout = stream_dropout or StreamDropout()
        self.step_seed = step_seed
        self._started = load_parts(net, start_from or [])
        freeze(net, optimizer.groups)
        self.scored: list[Scored] = []
        self._windows: list[Scored] = []

    def require_starts(self) -> None:
        """Refuse a net of which a part would stay at random.

        Raises:
            OptionError: A part that is in use neither starts from weights nor learns.
        """
        require_starts(self.net, self._started)

    def train(self, mode: bool = True) -> CadTask:
        """Switch to training, but leave frozen parts in eval mode."""
        super().train(mode)
        if mode:
            rest_frozen_parts(self.net)
        return self

    def on_train_start(self) -> None:
        """Put frozen parts into eval mode; Lightning sets modes before this hook."""
        self.train()

    def forward(self, batch: Batch, **keep: Tensor) -> CadOutput:
        """Return the net's output for a batch; ``keep`` is the net's ``keep_video`` and ``keep_audio``."""
        output: CadOutput = self.net(batch.frames, batch.audio, batch.frames_present, batch.audio_present, **keep)
        return output

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the loss terms."""
        torch.manual_seed(hash((self.step_seed, batch_idx, self.global_rank)) % 2**63)
        losses = self.training_loss(batch)
        self.log("train/loss", losses.total.detach(), prog_bar=True, batch_size=len(batch))
        self.log_dict({f"train/{name}": term for name, term in losses.terms.items()}, batch_size=len(batch))
        return losses.total

    def training_loss(self, batch: Batch) -> Losses:
        """Return the loss of a batch, of which streams may be dropped."""
        losses: Losses = self.criterion(*self._with_dropped_streams(batch))
        return losses

    def _with_dropped_streams(self, batch: Batch) -> tuple[CadOutput, Batch]:
        """Return the net's output and the batch with the labels that hold without the streams that were dropped."""
        drop = self.stream_dropout
        if drop.video + drop.audio == 0:
            return self(batch), batch
        draw = torch.rand(len(batch), device=batch.frames.device)
        both = (batch.frames_present.amax(1) > 0) & (batch.audio_present.amax(1) > 0)
        keep_video = 1 - (both & (draw < drop.video)).float()
        keep_audio = 1 - (both & (draw >= 1 - drop.audio)).float()
        output: CadOutput = self(batch, keep_video=keep_video, keep_audio=keep_audio)
        return output, replace(batch, clip_labels=labels_without(batch.clip_labels, keep_video, keep_audio))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation's windows."""
        self._windows = []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one batch of fixed windows."""
        held_out = getattr(self.trainer.datamodule, "held_out_sources", ())  # type: ignore[attr-defined]
        self._windows += self.scored_windows(batch, self._items()[len(self._windows) :], held_out)

    def scored_windows(self, batch: Batch, items: Sequence[ValWindow], held_out: Collection[str] = ()) -> list[Scored]:
        """Return the net's answers to a batch, whose windows are the first of ``items``."""
        output = self(batch)
        logits = torch.stack([getattr(output, f"{head}_logit").float() for head in HEADS], dim=1).cpu().tolist()
        said = output.offset_seconds.float().cpu().tolist()
        return [
            Scored(
                key=item.row.path,
                source=item.row.source,
                part=item.part,
                start=item.start,
                has_face=bool(batch.frames_present[number].any()),
                is_held_out=item.row.source in held_out,
                labels=tuple(batch.clip_labels[number].tolist()),
                logits=tuple(logits[number]),
                offset_seconds=float(batch.offset_seconds[number]),
                offset_said=said[number],
            )
            for number, item in enumerate(items[: len(batch)])
        ]

    def _items(self) -> tuple[ValWindow, ...]:
        loader = self.trainer.val_dataloaders
        assert loader is not None and isinstance(loader.dataset, ValSamples)
        return loader.dataset.items

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes' windows."""
        windows = self._windows
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, windows)
            windows = [window for part in gathered for window in part]
        self.scored = by_clip(windows)
        found = figures(self.scored)
        found["mean_auc"] = mean_auc(found, heads_of(self.net))
        # Every process has the same figures: nothing needs to be reduced.
        self.log_dict({f"val/{name}": value for name, value in found.items()}, rank_zero_only=False)

    def closing_tables(self, figures: dict[str, float]) -> list[str]:
        """Return lines for the end of the run: how well its best checkpoint tells the classes of each set apart."""
        trainer = self.trainer
        return judge_sets(self, trainer.datamodule, Path(trainer.default_root_dir))  # type: ignore[attr-defined]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW with warm-up and cosine by optimizer steps."""
        options = self.optimizer_options
        optimizer = make_optimizer(self.net, options)
        steps = self._steps_of_run()
        schedule = LambdaLR(
            optimizer, lambda step: learning_rate_share(step, steps, options.warmup_steps, options.final_share)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _steps_of_run(self) -> int:
        # Not trainer.estimated_stepping_batches: it opens the loader before a checkpoint has told it where to go on.
        trainer = self.trainer
        if trainer.max_steps > 0:
            return int(trainer.max_steps)
        batches: int = trainer.datamodule.batches  # type: ignore[attr-defined]
        return math.ceil(batches / trainer.accumulate_grad_batches)
