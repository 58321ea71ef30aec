# SPDX-License-Identifier: Apache-2.0
"""The net by itself on the CPU: ONNX Runtime beside eager torch and torch.compile, and the ceiling of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from cad.models import create_model
from cad.runtime.session import open_model
from cad.spec import INPUTS, OUTPUTS
from cad.training.packaged import network_of, packaged_entry, read_packaged
from cad.weights import default_detector, read_verified
from cad.weights.golden import CASES

_WINDOWS = 4
_SIDE = 1536


def measure(name: str | None, rounds: int) -> dict[str, Any]:
    """Return how fast the net of packaged weights runs, in windows a second, each way, and their ratio."""
    entry = default_detector() if name is None else packaged_entry(name)
    assert entry is not None
    inputs = CASES[0].inputs()
    feeds = {key: np.concatenate([value] * _WINDOWS)[:_WINDOWS] for key, value in inputs.items()}
    session = open_model(read_verified(entry), entry.name, "cpu").session
    net = create_model(network_of(entry))
    net.load_state_dict(read_packaged(entry, net), strict=False)
    net.eval()
    tensors = [torch.from_numpy(feeds[key]) for key in INPUTS]
    compiled = torch.compile(net)
    ways: dict[str, Callable[[], Any]] = {
        "onnxruntime": lambda: session.run(list(OUTPUTS), feeds),
        "torch_eager": lambda: net(*tensors),
        "torch_compile": lambda: compiled(*tensors),
    }
    spent: dict[str, list[float]] = {way: [] for way in ways}
    with torch.inference_mode():
        for run in ways.values():
            run()
        for _ in range(rounds):
            for way, run in ways.items():
                began = time.perf_counter()
                run()
                spent[way].append(time.perf_counter() - began)
        with FlopCounterMode(display=False) as counter:
            net(*tensors)
        ceiling = _ceiling(rounds)
    rate = {way: _WINDOWS / statistics.median(seconds) for way, seconds in spent.items()}
    flops = counter.get_total_flops() / _WINDOWS
    fastest = max(rate["torch_eager"], rate["torch_compile"])
    return {
        "times_the_faster_torch": round(rate["onnxruntime"] / fastest, 2),
        **{f"{way}_windows_per_second": round(value, 2) for way, value in rate.items()},
        "gflop_per_window": round(flops / 1e9, 2),
        "ceiling_gflop_per_second": round(ceiling / 1e9, 1),
        "share_of_ceiling": round(rate["onnxruntime"] * flops / ceiling, 3),
    }


def _ceiling(rounds: int) -> float:
    """Return the float32 operations a second of a large product of matrices on all cores."""
    one, other = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        one @ other
        seconds.append(time.perf_counter() - began)
    return 2.0 * _SIDE**3 / min(seconds)
