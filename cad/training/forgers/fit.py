# SPDX-License-Identifier: Apache-2.0
"""``train_forger`` trains a small network that forges, for minutes, on genuine train clips, and writes it as ONNX."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cad.data.forge.learned import PATCH, PATCH_INPUT_PX, VOCODER_HOP, VOCODER_MELS, vocoder_mel
from cad.data.shards import ClipStore
from cad.training.forgers.autoencoders import UPSAMPLERS, FaceAutoencoder, Upsampler, drawing_loss
from cad.training.forgers.vocoders import SmallVocoder, spectral_loss

VOCODER_FRAMES = 64
#: Code channels of the autoencoders, in the order of UPSAMPLERS: from a poor likeness to a good one.
CODE_CHANNELS = (12, 24, 40)

Batches = Iterator[tuple[Tensor, Tensor]]


def _genuine_keys(store: ClipStore, needs_frames: bool) -> list[str]:
    """Return the genuine clips of the training split with the stream that is needed."""
    entries = [entry for entry in store if entry.is_genuine and entry.row.get("split") == "train"]
    has_stream = [entry for entry in entries if (entry.has_frames if needs_frames else entry.has_audio)]
    return [entry.key for entry in has_stream if entry.slots >= 30]


def _patches(store: ClipStore, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    keys = _genuine_keys(store, needs_frames=True)
    taken: list[NDArray[Any]] = []
    while len(taken) < count:
        key = keys[int(rng.integers(len(keys)))]
        slots = np.flatnonzero(store.entry(key).frames_present)
        slot = int(rng.choice(slots))
        frames = store.read(key, slot, slot + 1).frames
        assert frames is not None
        shift = rng.integers(-8, 9, 2)
        rows, columns = (slice(PATCH.start + away, PATCH.stop + away) for away in shift)
        part = frames[0][rows, columns]
        taken.append(cv2.resize(part, (PATCH_INPUT_PX, PATCH_INPUT_PX), interpolation=cv2.INTER_AREA))
    return np.stack(taken).astype(np.uint8)


def patch_batches(store: ClipStore, patches: int, batch: int, rng: np.random.Generator) -> Batches:
    """Yield each batch (batch, 3, 96, 96) in [0, 1] twice, as input and target, from ``patches`` face patches."""
    pictures = torch.from_numpy(_patches(store, patches, rng)).permute(0, 3, 1, 2).contiguous()
    while True:
        chosen = pictures[torch.from_numpy(rng.integers(0, len(pictures), batch))].float() / 255
        if rng.random() < 0.5:
            chosen = chosen.flip(-1)
        yield chosen, chosen


def voice_batches(store: ClipStore, voices: int, batch: int, rng: np.random.Generator) -> Batches:
    """Yield log-mel (batch, 80, frames) and sound (batch, samples) of the same stretches of ``voices`` recordings."""
    keys = _genuine_keys(store, needs_frames=False)
    read = [store.read(keys[index]).audio for index in rng.permutation(len(keys))[:voices]]
    samples = VOCODER_FRAMES * VOCODER_HOP
    usable = [v for v in read if v is not None and len(v) > samples and np.abs(v).max() > 0.01]
    while True:
        mels, sounds = [], []
        for _ in range(batch):
            voice = usable[int(rng.integers(len(usable)))]
            start = int(rng.integers(0, len(voice) - samples))
            sound = voice[start : start + samples]
            sound = sound / max(float(np.abs(sound).max()), 1e-3) * np.float32(rng.uniform(0.1, 0.9))
            mels.append(vocoder_mel(sound)[:, :VOCODER_FRAMES])
            sounds.append(sound)
        yield torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(sounds).astype(np.float32))


def fit(
    net: nn.Module, batches: Batches, loss_of: Callable[[Tensor, Tensor], Tensor], seconds: float,
    steps: int | None = None,
) -> dict[str, float]:  # fmt: skip
    """Train for ``seconds``, or for ``steps`` when that is given, and return the first and last losses."""
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.8, 0.99))
    losses: list[float] = []
    began, progress = time.monotonic(), 0.0
    while progress < 1 or not losses:
        for group in optimiser.param_groups:  # down to a twentieth at the end
            group["lr"] = 2e-3 * 0.05**progress
        given, wanted = next(batches)
        loss = loss_of(net(given), wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        spent = (time.monotonic() - began) / max(seconds, 1e-9)
        progress = min(spent if steps is None else len(losses) / steps, 1.0)
    tail = losses[-max(len(losses) // 20, 1) :]
    spent_seconds = round(time.monotonic() - began, 1)
    return {"steps": len(losses), "first_loss": losses[0], "last_loss": float(np.mean(tail)), "seconds": spent_seconds}


def export(net: nn.Module, example: Tensor, name: str, free_axes: dict[int, str], path: Path) -> None:
    """Write ``net`` as ONNX with its input called ``name``."""
    shapes = ({axis: torch.export.Dim(label) for axis, label in free_axes.items()},)
    torch.onnx.export(
        net.eval(), (example,), path, input_names=[name], dynamic_shapes=shapes, dynamo=True, external_data=False,
        verbose=False,
    )  # fmt: skip


def train_forger(
    kind: Literal["autoencoder", "vocoder"], upsampler: Upsampler, batches: Batches, out: Path, seconds: float,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Train one network, write ``KIND_UPSAMPLER.onnx`` and return how it was made."""
    number, path = UPSAMPLERS.index(upsampler), out / f"{kind}_{upsampler}.onnx"
    torch.manual_seed(seed + number)
    if kind == "autoencoder":
        net: nn.Module = FaceAutoencoder(upsampler, CODE_CHANNELS[number])
        made = fit(net, batches, drawing_loss, seconds)
        export(net, torch.zeros(2, 3, PATCH_INPUT_PX, PATCH_INPUT_PX), "patches", {0: "slots"}, path)
    else:
        net = SmallVocoder(upsampler)
        made = fit(net, batches, spectral_loss, seconds)
        export(net, torch.zeros(1, VOCODER_MELS, VOCODER_FRAMES), "mel", {2: "frames"}, path)
    return {"file": path.name, "bytes": path.stat().st_size, **made}
