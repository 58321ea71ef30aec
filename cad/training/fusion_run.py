# SPDX-License-Identifier: Apache-2.0
"""Writes weights with a fusion that was fitted to scored files, for tools/training/fit_fusion.py."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cad.errors import OptionError
from cad.models import CadModel, create_model
from cad.models.checkpoint import WEIGHTS_NAME, load_checkpoint, save_checkpoint
from cad.models.registry import net_of
from cad.spec import STREAMS
from cad.training.fusion_fit import FittedFusion, fit_fusion
from cad.training.fusion_judgement import judge_left_out, table_of
from cad.training.packaged import network_of, packaged_entry
from cad.training.scored_streams import ScoredStreams
from cad.training.start import StartFrom, load_parts
from cad.training.whole_files import write_json, written_beside

#: Of the fusion, what is taken over: all that the kinds of fusion share.
_SHARED = ("fusion.absent", "fusion.norms.", "fusion.joint.")


def fit_and_write(
    files: ScoredStreams,
    weights: str,
    out: Path,
    net: str | None = None,
    options: dict[str, Any] | None = None,
    left_out_groups: int = 8,
    max_fpr: float = 0.03,
    resamples: int = 1000,
    sharpness: float | None = None,
    streams: Sequence[str] = STREAMS,
) -> tuple[str, dict[str, Any]]:
    """Fit, judge, and write ``model.safetensors`` and ``metrics.json``.

    Args:
        files: What is fitted on, scored with these weights.
        weights: Packaged name, folder, ``.onnx`` file, checkpoint or run.
        out: Folder to write to.
        net: Name of the network, for weights that do not tell their configuration; None for the one that the name of
            packaged weights begins with, else ``cad_small``.
        options: Of that network.
        left_out_groups: Groups of sources to judge by; 0 for no judgement.
        max_fpr: Share of genuine files at the threshold that is judged.
        resamples: Of each interval.
        sharpness: To be held at; None fits it.
        streams: Those that have a part in the fused logit.

    Returns:
        The tables (empty without judgement) and what was written to ``metrics.json``.

    Raises:
        OptionError: The weights cannot be read or have no fusion, or a number is out of its range.
        DataError: The files do not allow a fit.
    """
    if sharpness is not None and not 0 < sharpness < 1:
        raise OptionError(f"sharpness must lie between 0 and 1, got {sharpness:g}")
    if left_out_groups < 0 or left_out_groups == 1:
        raise OptionError(f"at least two groups of sources are needed to leave one out, got {left_out_groups}")
    if not 0 <= max_fpr < 1:
        raise OptionError(f"the share of genuine files must lie in [0, 1), got {max_fpr:g}")
    if unknown := sorted(set(streams) - set(STREAMS)):
        raise OptionError(f"streams must be some of {', '.join(STREAMS)}, got {', '.join(unknown)}")
    fitted = fit_fusion(files, sharpness, streams)
    model = with_fusion(weights, fitted, net, options)
    figures: dict[str, Any] = {
        "scale": fitted.scale.round(4).tolist(),
        "bias": fitted.bias.round(4).tolist(),
        "sharpness": round(fitted.sharpness, 4),
        "streams": [stream for stream in STREAMS if stream in streams],
        "files": dict(Counter(files.kind.tolist())),
    }
    table = ""
    if left_out_groups:
        found = judge_left_out(files, left_out_groups, max_fpr, resamples, sharpness=sharpness, streams=streams)
        table, figures["left_out"] = table_of(found), dataclasses.asdict(found)
    out.mkdir(parents=True, exist_ok=True)
    with written_beside(out / WEIGHTS_NAME) as part:
        save_checkpoint(model, part)
    write_json(out / "metrics.json", figures)
    return table, figures


def with_fusion(
    weights: str, fitted: FittedFusion, net: str | None = None, options: dict[str, Any] | None = None
) -> CadModel:
    """Return the network of some weights with the fusion ``strongest`` and these numbers in place of its own.

    Raises:
        OptionError: They cannot be read, or are of no network with a fusion.
    """
    entry = packaged_entry(weights)
    if entry is None and Path(weights).suffix != ".onnx":
        source, _ = load_checkpoint(weights)
        fusion = {"fusion": "strongest"} if isinstance(source, CadModel) else {}
        model = net_of(source.config.replace(**fusion).to_json())
    else:
        model = create_model(net or network_of(entry), **{**(options or {}), "fusion": "strongest"})
    if not isinstance(model, CadModel):
        raise OptionError(f"{weights} has no fusion to fit: it is {model.config.name}")
    parts = [f"{name}." for name, part in model.named_children() if name != "fusion" and part.state_dict()]
    load_parts(model, [StartFrom(weights, [*parts, *_SHARED])])
    fitted.write_into(model.fusion)
    return model.eval()
