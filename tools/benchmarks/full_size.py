# SPDX-License-Identifier: Apache-2.0
"""One training step of the full-size ``cad_base`` with random weights: ``python tools/bench.py full_size``.

Forward, all losses and backward on one batch of windows; the sizes are those of the published encoders, so that time
and memory are what a training run will need. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch

from cad.clock import SAMPLES_PER_FRAME
from cad.models import create_model
from cad.models.losses import LossWeights, cad_loss
from cad.models.targets import CadTargets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=2, help="windows of 2 s")
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return seconds of forward and backward, parameters and peak memory; ``ok``: whether all gradients are finite."""
    torch.manual_seed(0)
    net = create_model("cad_base").to(args.device).train()
    inputs = [tensor.to(args.device) for tensor in windows(args.batch, net.config.window_frames)]
    targets = answers(args.batch, net.config.window_frames, args.device)
    start = time.perf_counter()
    losses = cad_loss(net(*inputs), targets, LossWeights())
    wait(args.device)
    forward = time.perf_counter()
    losses.total.backward()
    wait(args.device)
    backward = time.perf_counter()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    return {
        "windows": args.batch,
        "device": args.device,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in net.parameters()),
        "learning": sum(p.numel() for p in net.parameters() if p.requires_grad),
        "forward_seconds": round(forward - start, 2),
        "backward_seconds": round(backward - forward, 2),
        "peak_memory_mib": peak_mib(args.device),
        "loss": round(float(losses.total.detach()), 4),
        "ok": bool(gradients) and all(bool(torch.isfinite(g).all()) for g in gradients),
    }


def windows(batch: int, slots: int) -> list[torch.Tensor]:
    """Return frames, audio and their presence."""
    frames = torch.randint(0, 256, (batch, slots, 160, 160, 3), dtype=torch.uint8)
    audio = torch.randn(batch, slots * SAMPLES_PER_FRAME) * 0.1
    return [frames, audio, torch.ones(batch, slots), torch.ones(batch, slots)]


def answers(batch: int, slots: int, device: str) -> CadTargets:
    """Return labels for a batch whose every second window is forged."""
    forged = (torch.arange(batch, device=device) % 2).float()
    known, event = torch.ones_like(forged), torch.arange(batch, device=device)
    by_slot, by_head = forged[:, None, None].expand(batch, 3, slots), forged[:, None].expand(batch, 4)
    return CadTargets(by_slot, by_head, 0.4 * forged, known, event)


def peak_mib(device: str) -> int:
    """Return the highest memory so far, of the GPU where there is one, in MiB."""
    if device.startswith("cuda"):
        return round(torch.cuda.max_memory_allocated() / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def wait(device: str) -> None:
    """Wait until a GPU has done its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
