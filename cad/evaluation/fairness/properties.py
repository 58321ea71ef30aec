# SPDX-License-Identifier: Apache-2.0
"""Sorts measured files into bins: by how a face looks, by how a voice sounds, and by what a column states."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cad.errors import DataError
from cad.evaluation.fairness.face_look import FaceLook
from cad.evaluation.fairness.measuring import FileMeasure
from cad.evaluation.fairness.skin_tone import TONES, tone_of
from cad.evaluation.fairness.voice_look import VoiceLook

#: Where something could not be measured, and where a column is empty.
UNKNOWN, NOT_STATED = "unknown", "not stated"
#: A column of more values makes no table.
MOST_VALUES = 200
#: Columns that are reported wherever a manifest states them.
USUAL_COLUMNS = ("sex", "age", "glasses", "mask", "language", "accent")
#: Ages in years are put together; what else the column says is taken as it is.
AGES_YEARS = (18.0, 40.0, 60.0)
AGE_BINS = ("below 18 years", "18 to 39 years", "40 to 59 years", "60 years and more")


@dataclass(frozen=True, slots=True)
class Property:
    """One way of sorting files.

    Attributes:
        name: As it stands over its table.
        kinds: Files that have it: ``image``, ``video``, ``audio``.
        bins: Names of the bins in their order, the last one for what is not known.
        bin_of: Says in which of them a file belongs.
    """

    name: str
    kinds: tuple[str, ...]
    bins: tuple[str, ...]
    bin_of: Callable[[FileMeasure], str]

    @property
    def unknown(self) -> str:
        """The bin of what is not known."""
        return self.bins[-1]


def binned(value: float | None, edges: Sequence[float], names: Sequence[str]) -> str:
    """Return the bin of a value: a value on an edge belongs above it.

    Example:
        >>> [binned(value, (60.0,), ("small", "large")) for value in (59.9, 60.0, None)]
        ['small', 'large', 'unknown']
    """
    return UNKNOWN if value is None else names[bisect_right(edges, value)]


def _of_face(name: str, field: str, edges: Sequence[float], names: Sequence[str]) -> Property:
    def bin_of(measure: FileMeasure) -> str:
        return binned(getattr(measure.face or FaceLook(), field), edges, names)

    return Property(name, ("image", "video"), (*names, UNKNOWN), bin_of)


def _of_voice(name: str, field: str, edges: Sequence[float], names: Sequence[str]) -> Property:
    def bin_of(measure: FileMeasure) -> str:
        return binned(getattr(measure.voice or VoiceLook(), field), edges, names)

    return Property(name, ("video", "audio"), (*names, UNKNOWN), bin_of)


def _tone(measure: FileMeasure) -> str:
    angle = (measure.face or FaceLook()).typology_degrees
    return UNKNOWN if angle is None else tone_of(angle)


#: A turn of 0.15 and 0.35 are about 20 and 40 degrees of yaw where the nose stands 0.42 eye distances before the eyes.
PROPERTIES = (
    Property("skin tone", ("image", "video"), (*(name for name, _ in TONES), UNKNOWN), _tone),
    _of_face(
        "light on the face", "light", (30, 45, 60, 75),
        ("mean L* below 30", "30 to 45", "45 to 60", "60 to 75", "75 and more"),
    ),
    _of_face(
        "face height", "height_px", (60, 120, 240, 480),
        ("below 60 px", "60 to 120 px", "120 to 240 px", "240 to 480 px", "480 px and more"),
    ),
    _of_face("head pose", "turn", (0.15, 0.35), ("frontal", "turned (from about 20°)", "profile (from about 40°)")),
    _of_face("contrast of the picture", "contrast", (40, 70), ("L* spans below 40", "40 to 70", "70 and more")),
    _of_voice(
        "pitch of the voice", "pitch_hz", (140, 190),
        ("low (below 140 Hz)", "middle (140 to 190 Hz)", "high (from 190 Hz)"),
    ),
    _of_voice("level", "level_dbfs", (-35, -25, -15), ("below -35 dBFS", "-35 to -25", "-25 to -15", "-15 and more")),
    _of_voice(
        "sample rate", "rate_hz", (16000, 16001, 44100),
        ("below 16 kHz", "16 kHz", "above it", "44.1 kHz and more"),
    ),
    _of_voice("band", "band_hz", (4200, 7000), ("to 4.2 kHz", "to 7 kHz", "wider")),
    _of_voice("duration of the sound", "seconds", (2, 5, 15), ("below 2 s", "2 to 5 s", "5 to 15 s", "15 s and more")),
)  # fmt: skip


def column_property(name: str, stated: Mapping[str, str]) -> Property:
    """Return the property that a column of the manifest states.

    Args:
        name: Of the column.
        stated: Its value by path; empty where nothing is stated.

    Raises:
        DataError: It has more than MOST_VALUES different values.
    """
    values = {path: _age(value) if name == "age" else value.strip() for path, value in stated.items()}
    known = sorted({value for value in values.values() if value})
    if len(known) > MOST_VALUES:
        raise DataError(f"column {name!r} has {len(known)} different values; more than {MOST_VALUES} make no table")
    if set(known) <= set(AGE_BINS):
        known = [age for age in AGE_BINS if age in known]

    def bin_of(measure: FileMeasure) -> str:
        return values.get(measure.path) or NOT_STATED

    return Property(name, ("image", "video", "audio"), (*known, NOT_STATED), bin_of)


def _age(value: str) -> str:
    """Return the bin of an age in years, and as it is what is no number."""
    try:
        return binned(float(value), AGES_YEARS, AGE_BINS)
    except ValueError:
        return value.strip()
