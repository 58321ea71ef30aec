# SPDX-License-Identifier: Apache-2.0
"""``distill_lips`` teaches the lip encoder where the lips are, from the face mesh of tools/data/label_lips.py.

A few hundred talking faces are too few to learn lips from synchrony alone. Every frame, forged or not, can teach shape
and motion of the mouth, since the face mesh looks at each picture by itself.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from cad.training.start import WEIGHTS_NAME
from cad.training.whole_files import written_beside

_log = logging.getLogger(__name__)

_SLOTS = 12
#: Centre of the mouth region in the 160 px crop.
_MOUTH_CENTRE_PX = np.array([80.0, 108.0], np.float32)
_MOTION_WEIGHT = 2.0

Labels = Mapping[str, NDArray[np.float32]]


def read_lip_labels(folder: Path) -> Labels:
    """Return the labels of tools/data/label_lips.py by clip, float32 (slots, 46, 2) in pixels of the stored crop."""
    return {key: archive[key].astype(np.float32) for archive in map(np.load, sorted(folder.glob("*.npz")))
            for key in archive.files}  # fmt: skip


class LipSamples:
    """Random short stretches with a jittered crop and the lips in it.

    Args:
        store: Where the clips are.
        lips: Labels by clip; clips without any are left out.
        split: Only rows of this split are shown.
        seed: Of every choice.
    """

    def __init__(self, store: ClipStore, lips: Labels, split: str, seed: int) -> None:
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
    turn, zoom = rng.normal(0, 4), rng.uniform(0.9, 1.1)
    matrix = np.asarray(cv2.getRotationMatrix2D((centre, centre), turn, zoom), np.float64)
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
    """Return the smooth L1 error of the places plus that of their motion over the stretch, which weighs more."""
    mask = known.unsqueeze(-1)
    count = mask.sum().clamp(min=1.0) * lips.shape[-1]
    place = (F.smooth_l1_loss(seen, lips, reduction="none", beta=0.1) * mask).sum() / count
    both = mask[:, 1:] * mask[:, :-1]
    motion = F.smooth_l1_loss(seen.diff(dim=1), lips.diff(dim=1), reduction="none", beta=0.1)
    return place + _MOTION_WEIGHT * (motion * both).sum() / (both.sum().clamp(min=1.0) * lips.shape[-1])


@torch.no_grad()
def evaluate_lips(encoder: LipShapes, batches: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Return the mean error in pixels, and the correlation of the mouth's opening with the labels' one."""
    encoder.eval()
    errors: list[Tensor] = []
    openings: tuple[list[Tensor], list[Tensor]] = [], []
    for frames, lips, known in batches:
        shape = (*frames.shape[:2], LIP_POINT_COUNT, 2)
        seen, true = encoder.places(frames, torch.ones(frames.shape[:2])).reshape(shape), lips.reshape(shape)
        used = known > 0
        errors.append((seen - true).norm(dim=-1)[used].mean() * SHAPE_UNIT_PX)
        # Middle of the inner lower and the inner upper lip (14 and 13 of the mesh).
        for opening, points in zip(openings, (seen, true), strict=True):
            opening.append((points[:, :, 25, 1] - points[:, :, 35, 1])[used])
    encoder.train()
    pair = torch.stack([torch.cat(opening) for opening in openings])
    return {"error_px": float(torch.stack(errors).mean()), "opening_correlation": float(torch.corrcoef(pair)[0, 1])}


def distill_lips(
    store: ClipStore, lips: Labels, out: Path, steps: int, batch: int, rate: float, seed: int
) -> None:
    """Train the lip encoder on rows of the split ``train``.

    The folder gets ``model.safetensors`` with the keys ``lip_encoder.*``, ``metrics.json`` and ``state.pt``, from which
    a run that was stopped goes on.

    Args:
        store: Where the clips are.
        lips: See ``read_lip_labels``.
        out: Folder of the run.
        steps: Length of the run.
        batch: Stretches of 12 frames in a step.
        rate: Highest learning rate.
        seed: Of the net's start and of the samples.
    """
    torch.manual_seed(seed)
    train, val = LipSamples(store, lips, "train", seed), LipSamples(store, lips, "val", 1)
    held = [val.batch(batch) for _ in range(12)]
    encoder = LipShapes()
    optimizer = torch.optim.AdamW(encoder.parameters(), rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    parts: dict[str, Any] = {"encoder": encoder, "optimizer": optimizer, "schedule": schedule}
    out.mkdir(parents=True, exist_ok=True)
    first = 0
    if (out / "state.pt").exists():
        state = torch.load(out / "state.pt", weights_only=True)
        first = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    began = time.monotonic()
    for step in range(first, steps):
        frames, places, known = train.batch(batch)
        loss = lip_loss(encoder.places(frames, torch.ones(frames.shape[:2])), places, known)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            figures = {"step": step + 1, "loss": float(loss.detach()), **evaluate_lips(encoder, held)}
            _log.info("%s", json.dumps(figures | {"seconds": round(time.monotonic() - began)}))
            states = {name: part.state_dict() for name, part in parts.items()}
            torch.save({"step": step + 1, **states}, out / "state.pt")
            kept = {f"lip_encoder.{name}": value.contiguous() for name, value in encoder.state_dict().items()}
            with written_beside(out / WEIGHTS_NAME) as part:
                save_file(kept, str(part))
            (out / "metrics.json").write_text(json.dumps(figures, indent=2))
