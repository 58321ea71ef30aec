# SPDX-License-Identifier: Apache-2.0
"""Ranges of activations for static int8, measured on a manifest's clips."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import onnx

from cad.errors import DataError, MediaError, OptionError
from cad.export.clip_windows import WindowReader
from cad.export.precision import CALIBRATED
from cad.export.static_int8 import Feed, Range, measure_ranges, plan_of
from cad.spec import ModelSpec

logger = logging.getLogger(__name__)

#: So many clips of each class are looked at, one window each: from 24 on ranges hardly widen.
CLIPS = 24
_SPLIT = "train"


def ranges_for(proto: onnx.ModelProto, spec: ModelSpec, dtype: str, manifest: Path | None) -> dict[str, Range] | None:
    """Return the ranges that ``store_weights_as`` needs for ``dtype``: None unless that is CALIBRATED.

    Args:
        proto: In float32, without branches.
        spec: Its own.
        dtype: One of DTYPES.
        manifest: Of clips; those of its split ``train`` are taken where it has one, else all.

    Raises:
        OptionError: See ``check_calibration``.
        DataError: The manifest cannot be used, or no clip of it shows a face.
        ExportError: An activation is not finite.
    """
    check_calibration(dtype, manifest)
    if manifest is None:
        return None
    return measure_ranges(proto, plan_of(proto.graph).tensors, face_feeds(manifest, spec))


def check_calibration(dtype: str, manifest: Path | None) -> None:
    """Check that clips are named where they are needed, and only there.

    Raises:
        OptionError: They are not.
    """
    if dtype == CALIBRATED and manifest is None:
        raise OptionError(f"{CALIBRATED} needs clips to measure the ranges of activations on: --calibrate-on MANIFEST")
    if dtype != CALIBRATED and manifest is not None:
        raise OptionError(f"only {CALIBRATED} is calibrated on clips, not {dtype}")


def face_feeds(manifest: Path, spec: ModelSpec, clips: int = CLIPS) -> Iterator[Feed]:
    """Yield the inputs of one window with a face of up to ``clips`` clips of each class, spread over identities.

    Raises:
        DataError: The manifest cannot be used, or no clip of it shows a face.
    """
    from cad.data.manifest import read_manifest
    from cad.evaluation.row_views import has_picture, sample_rows
    from cad.runtime.feeding import feed, has_video

    table = read_manifest(manifest)
    rows = table.rows[has_picture(table.rows)]
    if (rows["split"] == _SPLIT).any():
        rows = rows[rows["split"] == _SPLIT]
    found = 0
    with WindowReader(spec) as reader:
        for path in sample_rows(rows, clips, seed=0)["path"]:
            try:
                windows = reader.read(table.file(path), 1)
            except MediaError as error:
                logger.warning("%s: passed over: %s", path, error)
                continue
            if windows and has_video(windows[0]):
                found += 1
                yield feed(windows)
    if not found:
        raise DataError(f"{manifest}: no clip with a face in it, so that no ranges can be measured")
