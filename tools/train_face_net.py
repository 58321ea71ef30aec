# SPDX-License-Identifier: Apache-2.0
"""Train a face net by distillation from the labels of tools/label_faces.py, and write it as ONNX.

    python tools/train_face_net.py search --manifest ../shared/data/manifest.csv --labels labels --out a --minutes 20
    python tools/train_face_net.py points --manifest ../shared/data/manifest.csv --labels labels --out b --minutes 12
    python tools/train_face_net.py points ... --out c --mine face_yunet_s1 --resume b/last.pt --rate 1.5e-3

`search` makes the net that finds faces in whole pictures, `points` the one that looks at each a second time.

Only rows of the split ``train`` teach. The last weights are an exponential mean. The graph holds everything from
uint8 pictures to decoded candidates; suppression of doubles is left to ``cad.faces.net``. ``run/last.pt`` allows
``--resume``.
The figures of the card come from tools/evaluate_face_net.py, never from here.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import torch
from face_net.net import FaceNet
from face_net.pictures import (
    TAUGHT_SAMPLES,
    faceless_regions,
    load_pictures,
    read_labels,
    sample_pictures,
)
from face_net.points import CropMaker, PointNet, false_sightings, patches_around, point_loss
from face_net.scenes import SceneMaker
from face_net.targets import face_loss
from torch.utils.data import DataLoader, IterableDataset

from cad.faces.net import FaceNet as SearchNet
from cad.faces.points import LOOK_PX

#: Width, height and pictures a batch; about equal work each.
SHAPES = ((320, 192, 8), (224, 160, 14), (192, 192, 14), (160, 224, 14), (128, 128, 30), (320, 320, 5))
CROPS_A_BATCH = 64


class Scenes(IterableDataset):
    """Batches of (pictures, faces, unsure) of one size each."""

    def __init__(self, pictures: list, empty: list, seed: int) -> None:
        self._pictures, self._empty, self._seed = pictures, empty, seed

    def __iter__(self) -> Iterator[tuple]:
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self._seed, 0 if info is None else info.id])
        maker = SceneMaker(self._pictures, self._empty, rng)
        while True:
            width, height, count = SHAPES[int(rng.integers(len(SHAPES)))]
            scenes = [maker.make(width, height) for _ in range(count)]
            yield (
                torch.from_numpy(np.stack([scene.picture for scene in scenes])),
                [torch.from_numpy(scene.faces.astype(np.float32)) for scene in scenes],
                [torch.from_numpy(scene.unsure.astype(np.float32)) for scene in scenes],
            )


class Crops(IterableDataset):
    """Batches for the second look."""

    def __init__(self, pictures: list, empty: list, hard: list, seed: int) -> None:
        self._pictures, self._empty, self._hard, self._seed = pictures, empty, hard, seed

    def __iter__(self) -> Iterator[tuple]:
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self._seed, 0 if info is None else info.id])
        maker = CropMaker(self._pictures, self._empty, self._hard, rng)
        while True:
            yield tuple(torch.from_numpy(column) for column in maker.batch(CROPS_A_BATCH))


def export(net: torch.nn.Module, path: Path) -> None:
    """Write ``net`` as one ONNX file with a free batch (and height and width where it takes whole pictures)."""
    net = copy.deepcopy(net).eval()
    if isinstance(net, PointNet):
        name, example = "crops", torch.zeros(1, LOOK_PX, LOOK_PX, 3, dtype=torch.uint8)
        outputs = ["points", "boxes", "scores"]
        axes = {key: {0: "batch"} for key in ("crops", *outputs)}
    else:
        name, example = "frames", torch.zeros(1, 192, 320, 3, dtype=torch.uint8)
        outputs = ["boxes", "points", "scores"]
        axes = {"frames": {0: "batch", 1: "height", 2: "width"}, **{key: {0: "batch", 1: "cells"} for key in outputs}}
    torch.onnx.export(
        net, (example,), str(path), input_names=[name], output_names=outputs, dynamic_axes=axes, opset_version=17,
        dynamo=False,
    )  # fmt: skip


def _progress(args: argparse.Namespace, started: float, step: int) -> float:
    """Share of the run that is done, by steps if their number is given, else by the clock."""
    return step / args.steps if args.steps else (time.time() - started) / (60 * args.minutes)


def _rate(progress: float, peak: float) -> float:
    warm = min(1.0, progress / 0.03)
    return peak * warm * (0.5 * (1 + np.cos(np.pi * progress)) * 0.98 + 0.02)


def train(args: argparse.Namespace) -> None:
    # Before OpenCV makes its threads: a loader process that is forked later would wait for them for ever.
    cv2.setNumThreads(0)
    clips = read_labels(args.manifest, args.labels, "train")
    pictures = load_pictures(clips, args.per_clip, 400, 200.0, args.first_slots)
    empty = sample_pictures(TAUGHT_SAMPLES) + [region for one in pictures[::3] for region in faceless_regions(one)]
    print(f"{len(clips)} clips, {len(pictures)} pictures, {len(empty)} without a face", flush=True)
    hard = [] if args.mine is None else false_sightings(pictures, SearchNet(args.mine))
    patches = patches_around(pictures, hard)
    print(f"{len(hard)} false sightings, {len(patches)} of them away from faces", flush=True)
    source: IterableDataset = Crops(pictures, empty, hard, args.seed)
    if args.what == "search":
        # Hands and ears are as many as all other emptiness, or they would hardly be seen.
        rounds = max(1, len(empty) // max(1, len(patches)))
        source = Scenes(pictures, empty + patches * rounds, args.seed)
    loader = iter(DataLoader(source, batch_size=None, num_workers=args.workers, prefetch_factor=6))
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    net = FaceNet() if args.what == "search" else PointNet()
    if args.resume is not None:
        net.load_state_dict(torch.load(args.resume, weights_only=True))
    if args.head_only:
        net.eval()
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name.startswith("whole."))
    net = net.to(memory_format=torch.channels_last)
    mean = copy.deepcopy(net)
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=args.rate, weight_decay=1e-4)
    args.out.mkdir(parents=True, exist_ok=True)
    started, step, shown = time.time(), 0, {}
    while (progress := _progress(args, started, step)) < 1:
        frames, *known = next(loader)
        for group in optimizer.param_groups:
            group["lr"] = _rate(progress, args.rate)
        parts = (face_loss if args.what == "search" else point_loss)(net.raw(frames), *known)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        _follow(mean, net, min(0.998, (step + 1) / (step + 20)))
        for name, value in parts.items():
            shown[name] = 0.98 * shown.get(name, value.item()) + 0.02 * value.item()
        step += 1
        if step % 100 == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in shown.items())
            print(f"step {step} {time.time() - started:.0f} s {losses}", flush=True)
        if step % 200 == 0:
            torch.save(mean.state_dict(), args.out / "last.pt")
            export(mean, args.out / "model.onnx")
    torch.save(mean.state_dict(), args.out / "last.pt")
    export(mean, args.out / "model.onnx")
    print(f"{step} steps; {sum(p.numel() for p in net.parameters())} parameters", flush=True)


def _follow(mean: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    with torch.no_grad():
        for old, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("search", "points"))
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="folder written by tools/label_faces.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=None, help="in place of --minutes")
    parser.add_argument("--first-slots", type=int, default=None, help="decode only so many slots of each clip")
    parser.add_argument("--head-only", action="store_true", help="points: only score and box learn")
    parser.add_argument("--per-clip", type=int, default=5)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mine", default=None, help="weights of a search net whose false sightings teach too")
    parser.add_argument("--resume", type=Path, default=None)
    train(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())
