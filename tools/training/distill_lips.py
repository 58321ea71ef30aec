# SPDX-License-Identifier: Apache-2.0
"""Teach the lip encoder to see mouths: it learns to tell where the lips are, as a face mesh sees them.

A few hundred talking faces are too few to learn lips from synchrony alone. The shape and motion of the mouth can be
learnt from every frame, forged or not, since its teacher (tools/label_lips.py) looks at each picture by itself.

    python tools/distill_lips.py --shards cache/shards --lips cache/lips -o runs/lips

Writes ``model.safetensors`` with the keys ``lip_encoder.*``, which a training configuration takes by
``start_from: [{path: runs/lips, prefixes: [lip_encoder.]}]``, and ``metrics.json``. Stopped and started again with the
same folder it goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX
from cad.data.shards import ClipStore
from cad.faces.records import CROP_SIZE_PX
from cad.models.encoders.lip_shapes import LIP_POINT_COUNT, SHAPE_UNIT_PX, LipShapes

_SLOTS = 12
#: Centre of the mouth region in the 160 px crop.
_MOUTH_CENTRE_PX = np.array([80.0, 108.0], np.float32)
_MOTION_WEIGHT = 2.0


class LipSamples:
    """Random short stretches with a jittered crop and the lips in it."""

    def __init__(self, store: ClipStore, lips: dict[str, NDArray[np.float32]], split: str, seed: int) -> None:
        self._store, self._lips = store, lips
        entries = [entry for entry in store if entry.key in lips and entry.row.get("split") == split]
        self._keys = [entry.key for entry in entries if entry.slots > _SLOTS]
        sources = [store.entry(key).row.get("source", "") for key in self._keys]
        shares = np.array([sources.count(source) ** -0.5 for source in sources])
        self._shares = shares / shares.sum()
        self._rng = np.random.default_rng(seed)

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return frames (size, slots, 160, 160, 3), lips (size, slots, 92) in tens of pixels, and which are known."""
        drawn = [self._one() for _ in range(size)]
        frames, points = np.stack([frames for frames, _ in drawn]), np.stack([points for _, points in drawn])
        known = ~np.isnan(points).any(axis=(2, 3))
        lips = (np.nan_to_num(points) - _MOUTH_CENTRE_PX) / SHAPE_UNIT_PX
        return torch.from_numpy(frames), torch.from_numpy(lips).flatten(2).float(), torch.from_numpy(known).float()

    def _one(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        rng = self._rng
        key = self._keys[int(rng.choice(len(self._keys), p=self._shares))]
        start = int(rng.integers(0, self._store.entry(key).slots - _SLOTS + 1))
        frames = self._store.read(key, start, start + _SLOTS).frames
        assert frames is not None
        return _moved(frames, self._lips[key][start : start + _SLOTS], rng)


def _moved(
    frames: NDArray[np.uint8], points: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crop to 160 px under one random shift, zoom, turn, exposure and blur for the stretch; the points move along."""
    centre = STORED_CROP_SIZE_PX / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), rng.normal(0, 4), rng.uniform(0.9, 1.1))
    matrix[:, 2] += rng.uniform(-5, 5, 2) - CROP_MARGIN_PX
    gain, lift = rng.uniform(0.6, 1.3), rng.uniform(-25, 25)
    shrink, noise = rng.uniform(0.35, 1.0), rng.uniform(0, 8)
    out = np.empty((len(frames), CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)
    for slot, frame in enumerate(frames):
        crop = cv2.warpAffine(frame, matrix, (CROP_SIZE_PX, CROP_SIZE_PX))
        small = cv2.resize(crop, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        crop = cv2.resize(small, (CROP_SIZE_PX, CROP_SIZE_PX), interpolation=cv2.INTER_LINEAR)
        grain = rng.normal(lift, noise, (CROP_SIZE_PX, CROP_SIZE_PX, 1)).astype(np.float32)
        out[slot] = np.clip(crop * np.float32(gain) + grain, 0, 255)
    return out, points.astype(np.float32) @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)


def lip_loss(seen: Tensor, lips: Tensor, known: Tensor) -> Tensor:
    """Return the smoothed error of the places, and, weighted higher, of their motion and shape over the stretch."""
    mask = known.unsqueeze(-1)
    count = mask.sum().clamp(min=1.0) * lips.shape[-1]
    place = (F.smooth_l1_loss(seen, lips, reduction="none", beta=0.1) * mask).sum() / count
    both = mask[:, 1:] * mask[:, :-1]
    motion = F.smooth_l1_loss(seen.diff(dim=1), lips.diff(dim=1), reduction="none", beta=0.1)
    return place + _MOTION_WEIGHT * (motion * both).sum() / (both.sum().clamp(min=1.0) * lips.shape[-1])


@torch.no_grad()
def judged(encoder: LipShapes, batches: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Return the mean error in pixels and how well the opening of the mouth is followed (correlation)."""
    encoder.eval()
    errors, seen_opening, true_opening = [], [], []
    for frames, lips, known in batches:
        seen = encoder.places(frames, torch.ones(frames.shape[:2])).unflatten(-1, (LIP_POINT_COUNT, 2))
        true = lips.unflatten(-1, (LIP_POINT_COUNT, 2))
        used = known > 0
        errors.append((seen - true).norm(dim=-1)[used].mean() * SHAPE_UNIT_PX)
        # Middle of the inner lower and the inner upper lip (14 and 13 of the mesh).
        for opening, points in ((seen_opening, seen), (true_opening, true)):
            opening.append((points[:, :, 25, 1] - points[:, :, 35, 1])[used])
    encoder.train()
    pair = torch.stack([torch.cat(seen_opening), torch.cat(true_opening)])
    return {"error_px": float(torch.stack(errors).mean()), "opening_correlation": float(torch.corrcoef(pair)[0, 1])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", required=True, help="folder of the shards")
    parser.add_argument("--lips", type=Path, required=True, help="folder of the labels")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--batch", type=int, default=16, help="stretches of 12 frames in a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    store = ClipStore(options.shards)
    lips = {key: archive[key].astype(np.float32) for archive in map(np.load, sorted(options.lips.glob("*.npz")))
            for key in archive.files}  # fmt: skip
    train, val = LipSamples(store, lips, "train", options.seed), LipSamples(store, lips, "val", 1)
    held = [val.batch(options.batch) for _ in range(12)]
    encoder = LipShapes()
    parameters = list(encoder.parameters())
    optimizer = torch.optim.AdamW(parameters, options.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.steps, pct_start=0.1)
    options.out.mkdir(parents=True, exist_ok=True)
    state_path = options.out / "state.pt"
    first = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        encoder.load_state_dict(state["encoder"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    began = time.monotonic()
    for step in range(first, options.steps):
        frames, places, known = train.batch(options.batch)
        loss = lip_loss(encoder.places(frames, torch.ones(frames.shape[:2])), places, known)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == options.steps:
            figures = {"step": step + 1, "loss": float(loss.detach()), **judged(encoder, held)}
            print(json.dumps(figures | {"seconds": round(time.monotonic() - began)}), file=sys.stderr, flush=True)
            torch.save(
                {"encoder": encoder.state_dict(), "optimizer": optimizer.state_dict(),
                 "schedule": schedule.state_dict(), "step": step + 1}, state_path)  # fmt: skip
            kept = {f"lip_encoder.{name}": value.contiguous() for name, value in encoder.state_dict().items()}
            save_file(kept, str(options.out / "model.safetensors"))
            (options.out / "metrics.json").write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
