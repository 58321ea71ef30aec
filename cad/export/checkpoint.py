# SPDX-License-Identifier: Apache-2.0
"""Makes of a checkpoint, for export/to_onnx.py, one ONNX file that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cad.export.calibration_clips import check_calibration, ranges_for
from cad.export.graph import export_graph
from cad.export.parity import Difference, check_parity
from cad.export.precision import store_weights_as
from cad.models import NetConfig, load_checkpoint
from cad.spec import ModelSpec
from cad.whole_files import written_beside


def export_checkpoint(
    checkpoint: Path,
    output: Path,
    name: str | None,
    dtype: str,
    trained_on: str = "",
    calibrate_on: Path | None = None,
) -> list[Difference]:
    """Export, check and return the worst difference of each output; the file is left only when it passes.

    Args:
        checkpoint: What ``cad.models.load_checkpoint`` reads: a file, or the folder of a run.
        output: The ``.onnx`` file.
        name: Of the weights; None for the output's stem.
        dtype: Precision, see ``cad.export.precision``; only fp32 is held to the tolerances.
        trained_on: One line on the training data, in place of the checkpoint's own.
        calibrate_on: Manifest of clips, which ``int8_static`` alone needs.

    Raises:
        OptionError: ``int8_static`` has no manifest, or another precision has one.
        DataError: The manifest cannot be used, or none of its clips shows a face.
        WeightsError: The checkpoint cannot be read.
        ExportError: The graph cannot be made, or disagrees with its source (ParityError).
        OSError: The file cannot be written.
    """
    check_calibration(dtype, calibrate_on)
    model, notes = load_checkpoint(checkpoint)
    spec = spec_of(model.config, name or output.stem, notes | ({"trained_on": trained_on} if trained_on else {}))
    graph = export_graph(model, spec)
    ranges = ranges_for(graph, spec, dtype, calibrate_on)
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(output) as part:
        store_weights_as(graph, part, dtype, ranges)
        return check_parity(model, part, strict=dtype == "fp32")


def spec_of(config: NetConfig, name: str, notes: Mapping[str, str]) -> ModelSpec:
    """Return the spec of an uncalibrated model; export/calibrate.py gives it numbers that were measured.

    From a checkpoint's notes ``trained_on`` and ``commit`` are taken over.
    """
    return ModelSpec(
        name=name,
        window_frames=config.window_frames,
        min_frames=config.min_frames,
        calibration={},
        operating_points={},
        heads=config.heads,
        trained_on=notes.get("trained_on", ""),
        commit=notes.get("commit", ""),
    )
