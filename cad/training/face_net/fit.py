# SPDX-License-Identifier: Apache-2.0
"""``train_face_net`` trains a face net on made scenes or crops for its tool, and writes it as ONNX."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from cad.faces.net import FaceNet as SearchNet
from cad.faces.points import REFINE_PX
from cad.training.face_net.net import FaceNet
from cad.training.face_net.pictures import (
    TAUGHT_SAMPLES,
    faceless_regions,
    load_pictures,
    read_labels,
    sample_pictures,
)
from cad.training.face_net.points import CropMaker, PointNet, false_sightings, patches_around, point_loss
from cad.training.face_net.scenes import SceneMaker
from cad.training.face_net.targets import face_loss

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FaceNetRun:
    """What is trained on what, and for how long.

    Attributes:
        what: ``search`` for the net that finds faces in whole pictures, ``points`` for the second look.
        manifest: Only rows of the split ``train`` teach.
        labels: Folder of the teacher's labels.
        out: Folder for ``last.pt`` and ``model.onnx``.
        minutes: Length of the run.
        steps: In place of ``minutes``.
        per_clip: Pictures of a clip.
        rate: Highest learning rate.
        threads: Of torch.
        workers: Processes that make scenes; 0 for none.
        seed: Of the net's start and of the scenes.
        mine: Weights of a search net whose false sightings teach, too.
        resume: Weights to start from.
    """

    what: Literal["search", "points"]
    manifest: Path
    labels: Path
    out: Path
    minutes: float
    steps: int | None
    per_clip: int
    rate: float
    threads: int
    workers: int
    seed: int
    mine: str | None
    resume: Path | None

    def progress(self, started: float, step: int) -> float:
        """Return the share of the run that is done, by steps if their number is given, else by the clock."""
        return step / self.steps if self.steps else (time.time() - started) / (60 * self.minutes)


class _Batches(IterableDataset[tuple[Any, ...]]):
    """Batches of a maker without end, other ones in each worker process; the loader makes tensors of them."""

    def __init__(self, maker: Callable[..., SceneMaker | CropMaker], seed: int, *material: list[Any]) -> None:
        self._maker, self._seed, self._material = maker, seed, material

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        info = get_worker_info()
        maker = self._maker(*self._material, np.random.default_rng([self._seed, 0 if info is None else info.id]))
        while True:
            yield maker.batch()


def _source(run: FaceNetRun) -> _Batches:
    clips = read_labels(run.manifest, run.labels, "train")
    pictures = load_pictures(clips, run.per_clip, 400, 200.0)
    empty = sample_pictures(TAUGHT_SAMPLES) + [region for one in pictures[::3] for region in faceless_regions(one)]
    _log.info("%d clips, %d pictures, %d without a face", len(clips), len(pictures), len(empty))
    hard = [] if run.mine is None else false_sightings(pictures, SearchNet(run.mine))
    patches = patches_around(pictures, hard)
    _log.info("%d false sightings, %d of them away from faces", len(hard), len(patches))
    if run.what == "points":
        return _Batches(CropMaker, run.seed, pictures, empty, hard)
    # Hands and ears come as often as all other pictures without a face, or they would hardly be seen.
    return _Batches(SceneMaker, run.seed, pictures, empty + patches * max(1, len(empty) // max(1, len(patches))))


def _net(run: FaceNetRun) -> FaceNet | PointNet:
    torch.manual_seed(run.seed)
    net = FaceNet() if run.what == "search" else PointNet()
    if run.resume is not None:
        net.load_state_dict(torch.load(run.resume, weights_only=True))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def train_face_net(run: FaceNetRun) -> None:
    """Train, and leave the exponential mean of the weights in the run's folder, now and then and at the end."""
    # This stands before OpenCV makes its threads: a loader process that is forked later would wait for them for ever.
    cv2.setNumThreads(0)
    torch.set_num_threads(run.threads)
    ahead = 6 if run.workers else None
    loader = iter(DataLoader(_source(run), batch_size=None, num_workers=run.workers, prefetch_factor=ahead))
    net = _net(run)
    mean = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=run.rate, weight_decay=1e-4)
    loss_of: Callable[..., dict[str, torch.Tensor]] = face_loss if run.what == "search" else point_loss
    run.out.mkdir(parents=True, exist_ok=True)
    started, step = time.time(), 0
    shown: dict[str, float] = {}
    while (progress := run.progress(started, step)) < 1:
        frames, *known = next(loader)
        for group in optimizer.param_groups:
            group["lr"] = _rate(progress, run.rate)
        parts = loss_of(net.raw(frames), *known)
        optimizer.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        _follow(mean, net, min(0.998, (step + 1) / (step + 20)))
        for name, value in parts.items():
            shown[name] = 0.98 * shown.get(name, value.item()) + 0.02 * value.item()
        step += 1
        if step % 100 == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in shown.items())
            _log.info("step %d %.0f s %s", step, time.time() - started, losses)
        if step % 200 == 0:
            _keep(mean, run.out)
    _keep(mean, run.out)
    _log.info("%d steps; %d parameters", step, sum(p.numel() for p in net.parameters()))


def _rate(progress: float, peak: float) -> float:
    return float(peak * min(1.0, progress / 0.03) * (0.5 * (1 + np.cos(np.pi * progress)) * 0.98 + 0.02))


@torch.no_grad()
def _follow(mean: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    for old, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
        old.copy_(old.lerp(new, 1 - keep) if old.is_floating_point() else new)


def _keep(net: FaceNet | PointNet, folder: Path) -> None:
    torch.save(net.state_dict(), folder / "last.pt")
    export_face_net(net, folder / "model.onnx")


def export_face_net(net: FaceNet | PointNet, path: Path) -> None:
    """Write ``net`` as one ONNX file with a free batch (and height and width where it takes whole pictures)."""
    if isinstance(net, PointNet):
        name, size, outputs = "crops", (REFINE_PX, REFINE_PX), ["points", "boxes", "scores"]
        axes = {key: {0: "batch"} for key in (name, *outputs)}
    else:
        name, size, outputs = "frames", (192, 320), ["boxes", "points", "scores"]
        axes = {name: {0: "batch", 1: "height", 2: "width"}, **{key: {0: "batch", 1: "cells"} for key in outputs}}
    torch.onnx.export(
        copy.deepcopy(net).eval(), (torch.zeros(1, *size, 3, dtype=torch.uint8),), str(path), input_names=[name],
        output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
