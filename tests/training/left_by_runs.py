# SPDX-License-Identifier: Apache-2.0
"""What a run leaves, to be compared to the last bit with what another one leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


def left_by(run: Path) -> dict[str, Any]:
    """Weights, optimizer and figures; not what differs by nature (time, place)."""
    checkpoint = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)
    record = json.loads((run / "run.json").read_text())
    return {
        "latest": load_file(run / "model.safetensors"),
        "best": load_file(run / "best" / "model.safetensors"),
        "best figures": json.loads((run / "best" / "figures.json").read_text()),
        "checkpoint": checkpoint["state_dict"],
        "optimizer": dict(_flat(checkpoint["optimizer_states"])),
        "schedule": dict(_flat(checkpoint["lr_schedulers"])),
        "figures": {name: record[name] for name in ("best", "figures", "finished", "step")},
        "sources": (run / "sources.csv").read_text().splitlines(),
        "metrics": (run / "metrics.csv").read_text().splitlines(),
    }


def assert_same_run(one: Path, two: Path) -> None:
    first, second = left_by(one), left_by(two)
    assert _different(first, second) == []


def _different(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {key}"
        for name in one
        for key in _keys(one[name], two[name])
        if not _same(_get(one[name], key), _get(two[name], key))
    ]


def _keys(one: Any, two: Any) -> list[Any]:
    if isinstance(one, dict):
        return sorted(one.keys() | two.keys(), key=str)
    return list(range(max(len(one), len(two))))


def _get(values: Any, key: Any) -> Any:
    try:
        return values[key]
    except (KeyError, IndexError):
        return "absent"


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        return torch.equal(one, two)
    return type(one) is type(two) and bool(one == two)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _flat(inner, f"{name}.{key}")
    else:
        yield name, value
