# SPDX-License-Identifier: Apache-2.0
"""Train the small networks that forge (three face autoencoders, three vocoders) on genuine clips, for minutes.

    python tools/train_forgers.py SHARDS --out forgers --seconds 180
    CAD_FORGERS=forgers python tools/train.py fit --config ...     # with weights {autoencoder: 0.7, ...}

Only rows of the training split are used. Each network becomes an ONNX file, and one line of JSON says how it was made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cad.data.forge.learned import PATCH, PATCH_INPUT_PX, VOCODER_HOP, VOCODER_MELS, vocoder_mel
from cad.data.shards import ClipStore
from cad.training.forgers.autoencoders import UPSAMPLERS, FaceAutoencoder, drawing_loss
from cad.training.forgers.vocoders import SmallVocoder, spectral_loss

VOCODER_FRAMES = 64
#: Code channels of the autoencoders, in the order of UPSAMPLERS: from a poor likeness to a good one.
CODE_CHANNELS = (12, 24, 40)

Batches = Iterator[tuple[Tensor, Tensor]]


def genuine_keys(store: ClipStore, needs_frames: bool) -> list[str]:
    """Return the genuine clips of the training split with the stream that is needed."""
    keys = []
    for key in store.keys:
        entry = store.entry(key)
        row = entry.row
        has_stream = entry.has_frames if needs_frames else entry.has_audio
        if row.get("label") == "real" and row.get("split") == "train" and has_stream and entry.slots >= 30:
            keys.append(key)
    return keys


def patches(store: ClipStore, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``count`` face patches uint8 (count, 96, 96, 3), a few from each clip."""
    keys = genuine_keys(store, needs_frames=True)
    taken = []
    while len(taken) < count:
        key = keys[int(rng.integers(len(keys)))]
        slots = np.flatnonzero(store.entry(key).frames_present)
        slot = int(rng.choice(slots))
        frame = store.read(key, slot, slot + 1).frames[0]
        shift = rng.integers(-8, 9, 2)
        part = frame[PATCH.start + shift[0] : PATCH.stop + shift[0], PATCH.start + shift[1] : PATCH.stop + shift[1]]
        taken.append(cv2.resize(part, (PATCH_INPUT_PX, PATCH_INPUT_PX), interpolation=cv2.INTER_AREA))
    return np.stack(taken)


def patch_batches(store: ClipStore, options: argparse.Namespace, rng: np.random.Generator) -> Batches:
    """Yield pairs of the same batch of patches."""
    pictures = torch.from_numpy(patches(store, options.patches, rng)).permute(0, 3, 1, 2).contiguous()
    while True:
        chosen = pictures[torch.from_numpy(rng.integers(0, len(pictures), options.batch))].float() / 255
        if rng.random() < 0.5:
            chosen = chosen.flip(-1)
        yield chosen, chosen


def voice_batches(store: ClipStore, options: argparse.Namespace, rng: np.random.Generator) -> Batches:
    """Yield log-mel and sound of the same stretches."""
    keys = genuine_keys(store, needs_frames=False)
    voices = [store.read(keys[index]).audio for index in rng.permutation(len(keys))[: options.voices]]
    samples = VOCODER_FRAMES * VOCODER_HOP
    voices = [voice for voice in voices if len(voice) > samples and np.abs(voice).max() > 0.01]
    while True:
        mels, sounds = [], []
        for _ in range(options.batch):
            voice = voices[int(rng.integers(len(voices)))]
            start = int(rng.integers(0, len(voice) - samples))
            sound = voice[start : start + samples]
            sound = sound / max(float(np.abs(sound).max()), 1e-3) * np.float32(rng.uniform(0.1, 0.9))
            mels.append(vocoder_mel(sound)[:, :VOCODER_FRAMES])
            sounds.append(sound)
        yield torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(sounds).astype(np.float32))


def fit(
    net: nn.Module,
    batches: Batches,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    seconds: float,
    steps: int | None = None,
) -> dict[str, float]:
    """Train for ``seconds``, or for ``steps`` when that is given, and return the first and last losses."""
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.8, 0.99))
    began, losses, progress = time.monotonic(), [], 0.0
    while progress < 1 or not losses:
        for group in optimiser.param_groups:  # down to a twentieth at the end
            group["lr"] = 2e-3 * 0.05**progress
        given, wanted = next(batches)
        loss = loss_of(net(given), wanted)
        optimiser.zero_grad()
        loss.backward()
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
        net.eval(),
        (example,),
        path,
        input_names=[name],
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=180, help="for each network")
    parser.add_argument("--only", choices=("autoencoder", "vocoder"))
    parser.add_argument("--upsampler", action="append", choices=UPSAMPLERS, help="only this one (may be repeated)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--patches", type=int, default=6000, help="face patches held in memory")
    parser.add_argument("--voices", type=int, default=600, help="recordings held in memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    store = ClipStore(options.shards)
    for kind in ("autoencoder", "vocoder"):
        if options.only not in (None, kind):
            continue
        rng = np.random.default_rng(options.seed)
        batches = patch_batches(store, options, rng) if kind == "autoencoder" else voice_batches(store, options, rng)
        for number, upsampler in enumerate(UPSAMPLERS):
            if options.upsampler and upsampler not in options.upsampler:
                continue
            torch.manual_seed(options.seed + number)
            path = options.out / f"{kind}_{upsampler}.onnx"
            if kind == "autoencoder":
                net: nn.Module = FaceAutoencoder(upsampler, CODE_CHANNELS[number])
                made = fit(net, batches, drawing_loss, options.seconds)
                export(net, torch.zeros(2, 3, PATCH_INPUT_PX, PATCH_INPUT_PX), "patches", {0: "slots"}, path)
            else:
                net = SmallVocoder(upsampler)
                made = fit(net, batches, spectral_loss, options.seconds)
                export(net, torch.zeros(1, VOCODER_MELS, VOCODER_FRAMES), "mel", {2: "frames"}, path)
            print(json.dumps({"file": path.name, "bytes": path.stat().st_size} | made), flush=True)


if __name__ == "__main__":
    main()
