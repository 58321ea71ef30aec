# SPDX-License-Identifier: Apache-2.0
"""The options that a caller may choose; the flags of the command line are these, one to one."""

from __future__ import annotations

from dataclasses import dataclass, field

from cad.errors import OptionError
from cad.field_types import check_fields
from cad.media.limits import MediaLimits
from cad.runtime.providers import Device, check_device
from cad.spec import OperatingPoint


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to detect.

    Attributes:
        model: Name of the weights (``cad-detect models`` lists them), or path of a folder with a manifest or of an ONNX
            file; None takes the package's default.
        device: ``auto`` uses a CUDA GPU where ONNX Runtime has one and it starts, else the CPU; ``cpu``, ``cuda``,
            ``tensorrt``, ``openvino``, ``coreml`` and ``directml`` insist.
        providers: ONNX Runtime providers by name, which then override ``device``.
        threads: Threads inside one operator of the model; 0 takes every core.
        limits: What one file may cost before it is refused or stopped.
        keep_pictures: Keep small pictures of the faces for a report.
        video_tracks: Numbers (from 1, as ``Verdict.media.tracks`` has them) of the pictures that are judged, with the
            sounds that go with them; None: all.
        audio_tracks: Numbers of the sounds that are judged, likewise. They choose what is judged, not what goes with
            what: a picture is never judged with the sound of another.
        operating_point: Where the label changes, for every kind of evidence; None takes what the model ships with.
        require_sandbox: Read files only where the kernel confines the decoding process to decoding; elsewhere each is
            an error (``unconfined``). Without it that is warned of.

    Raises:
        OptionError: A value is not accepted.
    """

    model: str | None = None
    device: Device = "auto"
    providers: tuple[str, ...] | None = None
    threads: int = 0
    limits: MediaLimits = field(default_factory=MediaLimits)
    keep_pictures: bool = False
    video_tracks: tuple[int, ...] | None = None
    audio_tracks: tuple[int, ...] | None = None
    operating_point: OperatingPoint | None = None
    require_sandbox: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not isinstance(self.limits, MediaLimits):
            raise OptionError(f"DetectOptions.limits must be MediaLimits, got {type(self.limits).__name__}")
        if not isinstance(self.operating_point, OperatingPoint | None):
            found = type(self.operating_point).__name__
            raise OptionError(f"DetectOptions.operating_point must be an OperatingPoint or None, got {found}")
        check_device(self.device)
        if self.threads < 0:
            raise OptionError(f"threads is {self.threads}; it must be 0 (every core) or more")
        for name in ("video_tracks", "audio_tracks"):
            numbers = getattr(self, name)
            if numbers is not None and (not numbers or any(number < 1 for number in numbers)):
                raise OptionError(f"{name} is {numbers}; it must be numbers of tracks, which count from 1, or None")
