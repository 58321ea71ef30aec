# SPDX-License-Identifier: Apache-2.0
"""``fit_judge`` lets a judge of the picture learn: its line, and of its encoder the layer norms or everything.

A run goes on where it was stopped, with the same result: a step depends on the seed, its number and what was learnt
before it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from cad.errors import DataError, OptionError
from cad.training.loader import worker_options
from cad.training.picture_batches import CropBatch
from cad.training.picture_forging import TWIN_WEIGHTS
from cad.training.picture_judges import PictureJudge
from cad.training.picture_pool import PoolBatches
from cad.training.stopping import StopRequest
from cad.training.whole_files import written_beside

_log = logging.getLogger(__name__)

STATE_NAME = "last.pt"
_SECONDS_BETWEEN_LINES = 30.0
_STEPS_BETWEEN_LOOKS = 10
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, slots=True)
class PictureFit:
    """How a judge is fitted.

    Attributes:
        steps: Optimizer steps.
        batch: Crops in a step, half of them genuine.
        norm_rate: Highest learning rate of the large encoder's layer norms (and of what ``low_rank`` adds).
        small_rate: Of the small encoder, all of which learns.
        line_rate: Of the line and its scale.
        line_decay: Weight decay of the line and of the small encoder; norms have none.
        low_rank: Rank of what is added to the attention's matrices of the large encoder; 0 for nothing.
        warmup: Steps in which the rates rise.
        floor: Share of the highest rate that is left at the end of the cosine.
        ranking: Weight of the loss within sources, softplus of genuine minus forged; 0 leaves it out.
        same_source: Draw the genuine crop beside a forged row from the same source where that has some.
        forging: Likelihood of each kind of forgery; None for ``TWIN_WEIGHTS``.
        precision: Of the transformer; ``auto`` measures which is faster here.
        save_every: Steps from one checkpoint to the next.
        judge_every: Steps from one look at val to the next; 0 for the end alone.
        val_crops: Crops of a val row that are looked at.
        workers: Processes that make batches; 0 for none.
        pool: So many pairs of crops are made first and kept where the net is, and all fits draw from these, mirrored
            anew each time; 0 makes every batch when it is needed.
        seed: Of draws and of what is left out of the pictures.
    """

    steps: int = 1300
    batch: int = 32
    norm_rate: float = 5e-4
    small_rate: float = 5e-4
    line_rate: float = 3e-3
    line_decay: float = 0.01
    low_rank: int = 0
    warmup: int = 30
    floor: float = 0.02
    ranking: float = 0.0
    same_source: bool = True
    forging: dict[str, float] | None = None
    precision: Precision = "auto"
    save_every: int = 50
    judge_every: int = 250
    val_crops: int = 2
    workers: int = 1
    pool: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.steps, self.save_every, self.val_crops)
        others = (self.warmup, self.judge_every, self.workers, self.pool, self.low_rank)
        if min(counts) < 1 or min(others) < 0:
            raise OptionError(f"steps, save_every and val_crops must be at least 1, other counts at least 0: {self}")
        rates = (self.norm_rate, self.small_rate, self.line_rate, self.ranking, self.line_decay)
        if min(rates) < 0 or not 0 <= self.floor <= 1:
            raise OptionError(f"rates, decay and ranking must not be negative, floor in [0, 1]: {self}")

    def share_of_rate(self, step: int) -> float:
        """Return the share of the highest rates that step number ``step`` (from 0) learns with.

        Example:
            >>> fit = PictureFit(steps=130, warmup=30)
            >>> [round(fit.share_of_rate(step), 2) for step in (0, 29, 80, 130)]
            [0.03, 1.0, 0.51, 0.02]
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


@dataclass(slots=True)
class Progress:
    """How far a fit is.

    Attributes:
        step: Steps that are done.
        seconds: Time that they took, over all starts, judging left out.
        precision: What the transformer computes in.
        curve: A row for each look at val: step, loss since the last one, and figures.
    """

    step: int = 0
    seconds: float = 0.0
    precision: str = "fp32"
    curve: list[dict[str, float]] = field(default_factory=list)


#: Gives figures of what has been learnt so far.
Judge = Callable[[], Mapping[str, float]]


def fit_judge(
    judge: PictureJudge,
    batches: Dataset[CropBatch],
    how: PictureFit,
    folder: Path,
    look_at_val: Judge,
    stop: StopRequest,
) -> Progress:
    """Fit a judge and its encoder in place, from the checkpoint in ``folder`` where there is one.

    Args:
        judge: What learns, where it computes; its encoder is in evaluation mode afterwards.
        batches: By number.
        how: The options.
        folder: Gets the checkpoint; that of a finished run cannot be learnt on from.
        look_at_val: Called every ``judge_every`` steps and at the end.
        stop: Where it asks for it, the run is saved after the step at hand and ended.

    Raises:
        OptionError: The checkpoint is of a run with other options.
        DataError: The loss is no number any more.
        SystemExit: It was asked to stop; 128 and the number of the signal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    learnt = _Learnt(judge, how)
    progress = learnt.load(folder / STATE_NAME)
    if progress is None:
        progress = Progress(precision=_precision(judge, how))
    elif progress.step:
        _log.info("goes on from step %d of %d", progress.step, how.steps)
    losses: list[Tensor] = []
    said_at, first, began = time.monotonic(), progress.step, time.monotonic()
    before = progress.seconds
    # Pairs of a pool are where the net is already.
    workers = 0 if isinstance(batches, PoolBatches) else how.workers
    loader = DataLoader(batches, sampler=range(progress.step, how.steps), batch_size=None,
                        **worker_options(workers))  # fmt: skip
    judging, loss = 0.0, math.nan
    for batch in loader if progress.step < how.steps else ():
        losses.append(learnt.step(batch, progress.step, progress.precision))
        progress.step += 1
        progress.seconds = before + time.monotonic() - began - judging
        is_last = progress.step == how.steps
        # Asking a GPU for every loss would make it wait for the next batch.
        if (is_last or progress.step % _STEPS_BETWEEN_LOOKS == 0) and not math.isfinite(float(losses[-1])):
            raise DataError(f"the loss is no number at step {progress.step}; lower the rates")
        if is_last or (how.judge_every and progress.step % how.judge_every == 0):
            start = time.monotonic()
            loss = float(torch.stack(losses).mean())
            figures = {"step": float(progress.step), "loss": loss, **look_at_val()}
            progress.curve.append(figures)
            judging += time.monotonic() - start
            losses.clear()
            _log.info("step %d: %s", progress.step, _in_words(figures))
        if is_last or progress.step % how.save_every == 0 or stop.signal_number is not None:
            learnt.save(folder / STATE_NAME, progress, is_last)
        if stop.signal_number is not None and not is_last:
            _log.info("saved at step %d; the same command goes on from there", progress.step)
            raise SystemExit(128 + stop.signal_number)
        if time.monotonic() - said_at > _SECONDS_BETWEEN_LINES:
            said_at = time.monotonic()
            rate = (progress.step - first) / max(progress.seconds - before, 1e-9)
            _log.info(
                "step %d of %d, loss %.3f, %.1f samples/s, about %.0f minutes left",
                progress.step, how.steps, float(losses[-1]) if losses else loss, rate * how.batch,
                (how.steps - progress.step) / rate / 60,
            )  # fmt: skip
    judge.encoder.eval()
    return progress


class _Learnt:
    """What learns, and its optimizer."""

    def __init__(self, judge: PictureJudge, how: PictureFit) -> None:
        self.judge, self.how = judge, how
        self.parameters = judge.parameters
        rate, decay = (how.small_rate, how.line_decay) if judge.decays else (how.norm_rate, 0.0)
        self.optimizer = torch.optim.AdamW([
            {"params": list(judge.encoder_parameters.values()), "rate": rate, "weight_decay": decay},
            {"params": list(judge.line_parameters.values()), "rate": how.line_rate, "weight_decay": how.line_decay},
        ])  # fmt: skip

    def step(self, batch: CropBatch, number: int, precision: str) -> Tensor:
        """Learn from one batch and return its loss."""
        self.judge.encoder.train()
        # Which patches are left out depends on the step alone, however often the run was stopped.
        torch.manual_seed(int(np.random.SeedSequence([self.how.seed, number]).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * self.how.share_of_rate(number)
        batch = batch.to(self.judge.device)
        with in_precision(precision, self.judge.device):
            logits = self.judge.logits_of(batch.crops)
        loss = loss_of(logits.float(), batch, self.how.ranking)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def save(self, path: Path, progress: Progress, is_finished: bool) -> None:
        with written_beside(path) as part:
            torch.save(
                {
                    "how": _comparable(self.how),
                    "learnt": {name: value.detach().cpu().clone() for name, value in self.parameters.items()},
                    "optimizer": None if is_finished else self.optimizer.state_dict(),
                    "progress": asdict(progress),
                },
                part,
            )

    def load(self, path: Path) -> Progress | None:
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            other = state["how"] != _comparable(self.how) or state["learnt"].keys() != self.parameters.keys()
        except (RuntimeError, EOFError, KeyError, TypeError, ValueError, OSError, UnpicklingError) as error:
            kind = type(error).__name__  # torch's own text is a page long
            raise OptionError(f"{path} is no checkpoint of this fit ({kind}); name another --out") from error
        if other:
            raise OptionError(f"{path} is of a run with other options; name another --out")
        with torch.no_grad():
            for name, value in state["learnt"].items():
                self.parameters[name].copy_(value)
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        return Progress(**state["progress"])


def loss_of(logits: Tensor, batch: CropBatch, ranking: float) -> Tensor:
    """Return the cross entropy of a batch and, weighed with ``ranking``, the loss of pairs from one source."""
    loss = F.binary_cross_entropy_with_logits(logits, batch.label)
    if ranking:
        fake, real = batch.label > 0.5, batch.label < 0.5
        pairs = fake[:, None] & real[None] & (batch.source[:, None] == batch.source[None])
        if bool(pairs.any()):
            loss = loss + ranking * F.softplus(logits[None] - logits[:, None])[pairs].mean()
    return loss


def in_precision(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which an encoder computes: ``bf16`` or ``fp32``."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def _precision(judge: PictureJudge, how: PictureFit) -> str:
    """Return what the fit computes in; for ``auto`` what is faster on this machine, forward and backward."""
    if how.precision != "auto":
        return how.precision
    if judge.device.type != "cpu":
        return "bf16"
    crops = torch.zeros(min(how.batch, 8), 160, 160, 3, dtype=torch.uint8)
    judge.encoder.train()
    seconds: dict[str, float] = {}
    for name in ("fp32", "bf16", "fp32", "bf16"):
        start = time.perf_counter()
        with in_precision(name, judge.device):
            logits = judge.logits_of(crops)
        logits.float().sum().backward()  # type: ignore[no-untyped-call]
        seconds[name] = min(time.perf_counter() - start, seconds.get(name, math.inf))
    judge.encoder.zero_grad()
    _log.info("%d crops forward and backward: fp32 %.2f s, bf16 %.2f s", len(crops), seconds["fp32"], seconds["bf16"])
    return min(seconds, key=lambda name: seconds[name])


def _comparable(how: PictureFit) -> dict[str, Any]:
    """Return the options that a run must keep when it goes on; how often it saves and looks at val may change."""
    free = ("save_every", "judge_every", "val_crops", "workers", "precision")
    options = {name: value for name, value in asdict(how).items() if name not in free}
    return options | {"forging": dict(how.forging or TWIN_WEIGHTS)}


def _in_words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if name != "step")
