# SPDX-License-Identifier: Apache-2.0
"""ModelSpec: what a model expects and what its numbers mean; it travels inside the ONNX file's metadata.

Inputs of every exported graph (batch and time are free; samples = 640 * time):

====================  =======  ==========================  ==========================================
name                  dtype    shape                       meaning
====================  =======  ==========================  ==========================================
``frames``            uint8    (batch, time, 160, 160, 3)  aligned RGB face crops at 25 Hz
``audio``             float32  (batch, samples)            16 kHz mono in [-1, 1]
``frames_present``    float32  (batch, time)               1 where the crop exists, 0 where it does not
``audio_present``     float32  (batch, time)               1 where there is sound, 0 where there is none
====================  =======  ==========================  ==========================================

A missing stream is a presence of all zeros. Outputs, all float32 logits that are positive for fake:
``fused_logit``, ``video_logit``, ``audio_logit``, ``sync_logit`` (batch,); ``video_frame_logits``,
``audio_frame_logits``, ``sync_frame_logits`` (batch, time); and ``offset_seconds`` (batch,), by how much
the sound lags behind the lips.

Numbers (calibration, operating points) stand under plain keys, such as ``audio``, and may stand beside them under keys
of a kind of file, such as ``audio@recording``, which win where the file is of that kind (``numbers_key``, the one
rule). The version of the spec stays 1: a package that knows no such keys looks plain ones up and nothing else, so that
it judges every file by the plain numbers, which are fitted on files of all kinds. Likewise keys of a kind that this
package does not know are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from cad.errors import OptionError, SpecMismatchError
from cad.field_types import check_fields
from cad.strict_json import parse_object
from cad.values import ValueRecord

Number = TypeVar("Number")

METADATA_KEY = "cad.spec"
SPEC_VERSION = 1
HEADS = ("fused", "video", "audio", "sync")
STREAMS = ("video", "audio", "sync")
#: Keys of calibration and operating points for the strongest stretch of a stream, beside those of HEADS.
PEAKS = ("video_peak", "audio_peak")
#: Keys of operating points, on the head's own probability, from which on a stream that the fused head has weighed with
#: others makes a file fake by itself; ``real_threshold`` means nothing there.
ALONE = ("video_alone", "audio_alone")
#: Kinds of files that may have numbers of their own: sound alone, video with or without sound, one picture.
DOMAINS = ("recording", "talking_head", "still")
#: Stands between the plain key and the domain.
DOMAIN_MARK = "@"
INPUTS = ("frames", "audio", "frames_present", "audio_present")
OUTPUTS = (
    *(f"{head}_logit" for head in HEADS),
    *(f"{stream}_frame_logits" for stream in STREAMS),
    "offset_seconds",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling of one head: ``probability_fake = sigmoid(scale * (logit - growth * ln(chances)) + bias)``.

    Attributes:
        scale: Of the logit.
        bias: Added to it.
        growth: By how much the highest of ``chances`` genuine logits rises with their logarithm: chances are faces for
            a head, places in time for a peak (what several faces add to a peak is the growth of its head).

    Source: Platt, 1999; the rise of a maximum: Gumbel, *Statistics of Extremes*, 1958. Fitted on validation data.
    """

    scale: float = 1.0
    bias: float = 0.0
    growth: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where the label changes, on the calibrated probability, and the false-positive rate that it was chosen for.

    Attributes:
        fake_threshold: From here on evidence is *fake*.
        real_threshold: Below it evidence is *real*, between the two neither.
        chosen_false_positive_rate: Share of genuine clips that may be called fake; None if it was not chosen so.
        chosen_on: On which data.

    Raises:
        OptionError: A threshold lies outside of [0, 1], or the fake one below the real one.
    """

    fake_threshold: float = 0.5
    real_threshold: float = 0.5
    chosen_false_positive_rate: float | None = None
    chosen_on: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0.0 <= self.real_threshold <= self.fake_threshold <= 1.0:
            raise OptionError(
                f"the operating point calls real below {self.real_threshold} and fake from {self.fake_threshold}; "
                "both must lie in [0, 1], and the second must not be below the first"
            )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelSpec(ValueRecord):
    """What a model expects and what its numbers mean (see the module's text).

    Attributes:
        name: Name of the weights; new bytes get a new name.
        window_frames: Time steps of the windows that it was trained on; longer tracks are cut into such.
        min_frames: Shortest window for which its answer means something.
        calibration: By name of a head, ``<stream>_frame`` for the logits of single slots, or one of PEAKS; empty for a
            model that was never calibrated. Each may stand a second time for one of DOMAINS (``video@still``).
        operating_points: By name of a head, one of PEAKS or one of ALONE; evidence that has none decides nothing.
            Likewise.
        trained_on: One line on the training data.
        commit: Version-control revision of the run that made the weights.
        hop_frames: Time steps from one window of a track to the next.
        frame_rate_hz: Time steps a second; checked at load, as are the next two.
        sample_rate_hz: Of the sound.
        crop_size_px: Side of the face crops.
        heads: Which of HEADS the model has; its graph has all outputs, but those of the others say nothing.
        version: Of this record.
    """

    name: str
    window_frames: int
    min_frames: int
    calibration: Mapping[str, Calibration]
    operating_points: Mapping[str, OperatingPoint]
    trained_on: str = ""
    commit: str = ""
    hop_frames: int = 25
    frame_rate_hz: int = 25
    sample_rate_hz: int = 16_000
    crop_size_px: int = 160
    heads: tuple[str, ...] = HEADS
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        check_fields(self)
        if unknown := sorted(set(self.heads) - set(HEADS)):
            raise OptionError(f"ModelSpec.heads has {', '.join(unknown)}; there are {', '.join(HEADS)}")

    def to_json(self) -> str:
        """Return the text that is stored under METADATA_KEY."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Return the spec stored as ``text``.

        Raises:
            SpecMismatchError: The text is not a spec of this version, or has a value of another type, a number that is
                not finite or an impossible threshold; the message names it.
        """
        try:
            raw = parse_object(text)
            version = raw.get("version")
            if version != SPEC_VERSION:
                raise SpecMismatchError(
                    f"the model's spec has version {version}; this package runs version {SPEC_VERSION}"
                )
            for key in ("calibration", "operating_points"):
                if not isinstance(raw[key], dict):
                    raise ValueError(f"{key} must be an object, got {type(raw[key]).__name__}")
            raw["calibration"] = {head: Calibration(**value) for head, value in raw["calibration"].items()}
            raw["operating_points"] = {head: OperatingPoint(**value) for head, value in raw["operating_points"].items()}
            raw["heads"] = tuple(raw.get("heads", HEADS))
            return cls(**raw)
        except KeyError as error:
            raise SpecMismatchError(f"the model's spec cannot be read: it lacks {error}") from error
        except (ValueError, TypeError) as error:
            raise SpecMismatchError(f"the model's spec cannot be read: {error}") from error


def numbers_key(numbers: Mapping[str, object], name: str, domain: str) -> str | None:
    """Return the key under which the numbers of a head, a frame or a peak stand for a file of a domain.

    Args:
        numbers: ``calibration`` or ``operating_points`` of a spec.
        name: Plain key.
        domain: One of DOMAINS.

    Returns:
        The key of the domain where there is one, else the plain key; None where there is neither.

    Example:
        >>> numbers_key({"audio": 1, "audio@recording": 2}, "audio", "recording")
        'audio@recording'
        >>> numbers_key({"audio": 1, "audio@recording": 2}, "audio", "talking_head")
        'audio'
    """
    return next((key for key in (domain_key(name, domain), name) if key in numbers), None)


def domain_key(name: str, domain: str) -> str:
    """Return the key of a head's numbers for one kind of file."""
    return f"{name}{DOMAIN_MARK}{domain}"


def plain_key(key: str) -> str:
    """Return the key without its domain."""
    return key.partition(DOMAIN_MARK)[0]


def spec_for(spec: ModelSpec, domain: str) -> ModelSpec:
    """Return ``spec`` with the numbers that hold for a file of a domain, all under plain keys.

    A spec without numbers of any domain is returned as it is.
    """
    if not any(DOMAIN_MARK in key for key in (*spec.calibration, *spec.operating_points)):
        return spec
    return replace(
        spec,
        calibration=_plain_numbers(spec.calibration, domain),
        operating_points=_plain_numbers(spec.operating_points, domain),
    )


def with_operating_point(spec: ModelSpec, point: OperatingPoint | None) -> ModelSpec:
    """Return ``spec`` with one operating point for heads, calibrated peaks and streams that stand alone.

    None keeps the shipped ones.
    """
    peaks = [name for name in spec.calibration if plain_key(name) in PEAKS]
    alone = [name for name in spec.operating_points if plain_key(name) in ALONE]
    return spec if point is None else replace(spec, operating_points=dict.fromkeys([*HEADS, *peaks, *alone], point))


def _plain_numbers(numbers: Mapping[str, Number], domain: str) -> Mapping[str, Number]:
    names = dict.fromkeys(plain_key(key) for key in numbers)
    return {name: numbers[key] for name in names if (key := numbers_key(numbers, name, domain)) is not None}
