# SPDX-License-Identifier: Apache-2.0
"""Tells whether the face or the voice in a video, a still or a sound file is forged.

``from cad import Detector`` is the whole of the everyday interface; docs/python.md has recipes. Names are loaded when
they are first used, so that ``import cad`` costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ
    from cad.detector import Detector, Progress, Result
    from cad.errors import (
        AnalysisFailedError,
        CadError,
        DataError,
        DecoderCrashedError,
        DocumentError,
        ExportError,
        MediaChangedError,
        MediaError,
        MediaLimitError,
        MediaMemoryError,
        MediaNotFoundError,
        MediaTimeoutError,
        MediaUnreadableError,
        MissingExtraError,
        MissingStreamError,
        OptionError,
        ParityError,
        SpecMismatchError,
        UnconfinedError,
        WeightsError,
        WeightsIntegrityError,
        WeightsNotFoundError,
    )
    from cad.faces.active_speaker import LipScore
    from cad.faces.records import FaceCrops, FaceDetection
    from cad.faces.track_book import FacePicture, TrackSummary
    from cad.media.arrays import ArraySource
    from cad.media.input import MediaInput
    from cad.media.limits import MediaLimits
    from cad.media.reader import MediaReader, open_media
    from cad.media.records import (
        AudioSamples,
        AudioStreamInfo,
        MediaInfo,
        MediaKind,
        Outcome,
        ReadReport,
        VideoFrames,
        VideoStreamInfo,
    )
    from cad.media.source import MediaSource
    from cad.options import DetectOptions
    from cad.spec import Calibration, ModelSpec, OperatingPoint
    from cad.verdict.aggregate import Evidence, FaceEvidence
    from cad.verdict.analysis import Analysis
    from cad.verdict.calibrate import Calibrated, FaceProbability, calibrate
    from cad.verdict.decide import Decision, decide
    from cad.verdict.document import verdict_schema
    from cad.verdict.judge import judge
    from cad.verdict.records import (
        Curve,
        FaceSummary,
        Label,
        MediaSummary,
        ModelSummary,
        Reason,
        Segment,
        StreamEvidence,
        Verdict,
    )
    from cad.windows import Window, WindowScore

__all__ = [
    "FRAME_RATE_HZ",
    "SAMPLE_RATE_HZ",
    "Analysis",
    "AnalysisFailedError",
    "ArraySource",
    "AudioSamples",
    "AudioStreamInfo",
    "CadError",
    "Calibrated",
    "Calibration",
    "Curve",
    "DataError",
    "Decision",
    "DecoderCrashedError",
    "DetectOptions",
    "Detector",
    "DocumentError",
    "Evidence",
    "ExportError",
    "FaceCrops",
    "FaceDetection",
    "FaceEvidence",
    "FacePicture",
    "FaceProbability",
    "FaceSummary",
    "Label",
    "LipScore",
    "MediaChangedError",
    "MediaError",
    "MediaInfo",
    "MediaInput",
    "MediaKind",
    "MediaLimitError",
    "MediaLimits",
    "MediaMemoryError",
    "MediaNotFoundError",
    "MediaReader",
    "MediaSource",
    "MediaSummary",
    "MediaTimeoutError",
    "MediaUnreadableError",
    "MissingExtraError",
    "MissingStreamError",
    "ModelSpec",
    "ModelSummary",
    "OperatingPoint",
    "OptionError",
    "Outcome",
    "ParityError",
    "Progress",
    "ReadReport",
    "Reason",
    "Result",
    "Segment",
    "SoundBlock",
    "SpecMismatchError",
    "StreamEvidence",
    "TrackSummary",
    "UnconfinedError",
    "Verdict",
    "VideoFrames",
    "VideoStreamInfo",
    "WeightsError",
    "WeightsIntegrityError",
    "WeightsNotFoundError",
    "Window",
    "WindowScore",
    "__version__",
    "calibrate",
    "decide",
    "judge",
    "open_media",
    "verdict_schema",
]

# ONNX Runtime's builds for Linux send events and write a device id as soon as they are imported, and their API to stop
# that comes too late. Set here because this module always runs before ONNX Runtime is imported on our behalf.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_NAMES_BY_HOME = {
    "cad.clock": "FRAME_RATE_HZ SAMPLE_RATE_HZ",
    "cad.detector": "Detector Progress Result",
    "cad.media.input": "MediaInput",
    "cad.errors": (
        "AnalysisFailedError CadError DataError DecoderCrashedError DocumentError ExportError MediaChangedError "
        "MediaError MediaLimitError MediaMemoryError MediaNotFoundError MediaTimeoutError MediaUnreadableError "
        "MissingExtraError MissingStreamError OptionError ParityError SpecMismatchError UnconfinedError WeightsError "
        "WeightsIntegrityError WeightsNotFoundError"
    ),
    "cad.faces.active_speaker": "LipScore",
    "cad.faces.records": "FaceCrops FaceDetection",
    "cad.faces.track_book": "FacePicture TrackSummary",
    "cad.media.arrays": "ArraySource",
    "cad.media.limits": "MediaLimits",
    "cad.media.reader": "MediaReader open_media",
    "cad.media.records": (
        "AudioSamples AudioStreamInfo MediaInfo MediaKind Outcome ReadReport SoundBlock VideoFrames VideoStreamInfo"
    ),
    "cad.media.source": "MediaSource",
    "cad.options": "DetectOptions",
    "cad.spec": "Calibration ModelSpec OperatingPoint",
    "cad.verdict.aggregate": "Evidence FaceEvidence",
    "cad.verdict.analysis": "Analysis",
    "cad.verdict.calibrate": "Calibrated FaceProbability calibrate",
    "cad.verdict.decide": "Decision decide",
    "cad.verdict.document": "verdict_schema",
    "cad.verdict.judge": "judge",
    "cad.verdict.records": "Curve FaceSummary Label MediaSummary ModelSummary Reason Segment StreamEvidence Verdict",
    "cad.windows": "Window WindowScore",
}
_HOMES = {name: home for home, names in _NAMES_BY_HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "__version__":
        from cad.versions import installed_version

        # A checkout may be on the path without being installed.
        return installed_version("cad-detect") or "not-installed"
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cad' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
