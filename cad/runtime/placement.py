# SPDX-License-Identifier: Apache-2.0
"""Tells how much of a graph really runs on the device that was asked for, and not beside it on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cad.runtime.providers import CPU

#: Has ONNX Runtime (from 1.24 on) note which provider took which node.
RECORD_KEY = "session.record_ep_graph_assignment_info"
#: Operators that nearly all of the time goes to; shapes and indices are on the CPU with every provider.
WORK = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "LSTM", "GRU", "Attention"})
#: Where the CPU runs more than the rest of them, the device is not what computes.
LEAST_SHARE = 0.5


def work_by_provider(session: Any) -> dict[str, int] | None:
    """Return how many of a session's working operators each provider runs; None where this ONNX Runtime cannot tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] += sum(node.op_type in WORK for node in part.get_nodes())
    return dict(counts)


def too_little(asked: str, work: Mapping[str, int] | None) -> str | None:
    """Return why a session does not run where it was asked to, though its provider started; None if it does.

    Args:
        asked: The provider that was asked for.
        work: See ``work_by_provider``.

    Example:
        >>> too_little("CUDAExecutionProvider", {"CUDAExecutionProvider": 9, "CPUExecutionProvider": 1}) is None
        True
    """
    count = sum((work or {}).values())
    if work is None or not count or asked == CPU:
        return None
    away = count - work.get(CPU, 0)
    if work.get(asked, 0) and away >= LEAST_SHARE * count:
        return None
    return (
        f"{asked} started, but runs {work.get(asked, 0)} of the model's {count} working operators, and the CPU "
        f"{work.get(CPU, 0)}"
    )
