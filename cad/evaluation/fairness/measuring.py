# SPDX-License-Identifier: Apache-2.0
"""Measures one genuine file for the fairness report: the product's answer, and how the face and voice in it look."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cad.closing import Closing
from cad.detector import Detector
from cad.errors import MediaError
from cad.evaluation.detector_scorer import scorer_identity
from cad.evaluation.fairness.face_look import FaceLook, look_at_pictures
from cad.evaluation.fairness.onlooker import Onlooker
from cad.evaluation.fairness.voice_look import VoiceLook, look_at_sound
from cad.faces.finder import FaceFinder
from cad.media.pool import MediaPool
from cad.media.records import MediaKind
from cad.options import DetectOptions
from cad.spec import ModelSpec
from cad.verdict.judge import judge

#: Changes when something that a FaceLook or VoiceLook says is measured in another way, so that logs do not mix.
LOOKS_VERSION = 1


@dataclass(frozen=True, slots=True)
class FileMeasure:
    """What the product says of a genuine file, and how the file looks.

    Attributes:
        path: As in the manifest.
        kind: ``image``, ``video``, ``audio``, or empty where the file could not be read.
        answer: ``fake``, ``real``, ``inconclusive`` or ``error``.
        probability: Calibrated probability of fake, None where there is none.
        faces: How many faces the product followed.
        face: How the largest face looks; None without a picture.
        voice: How the main sound is heard; None without one.
        error: Code of the error where it could not be read.
    """

    path: str
    kind: str
    answer: str
    probability: float | None = None
    faces: int = 0
    face: FaceLook | None = None
    voice: VoiceLook | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> FileMeasure:
        """Return the record that ``to_json`` wrote.

        Raises:
            KeyError, TypeError: It is not one.
        """
        values = {field.name: raw[field.name] for field in fields(cls)}
        face, voice = values["face"], values["voice"]
        looks = {"face": None if face is None else FaceLook(**face), "voice": voice and VoiceLook(**voice)}
        return cls(**{**values, **looks})


class FileMeasurer(Closing):
    """Runs the product over files and looks at what it is given; decoding stays in the product's own child process.

    Args:
        model: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        threads: Threads of the model; 0 takes every core.

    Raises:
        WeightsError: The weights are unknown, damaged or not runnable.
    """

    def __init__(self, model: str | None = None, threads: int = 0) -> None:
        options = DetectOptions(model=model, threads=threads)
        self._detector = Detector(options)
        self._pool = MediaPool(options.limits)
        self._finder = FaceFinder()

    @property
    def identity(self) -> str:
        """Name and hash of every net, and the version of what is measured beside."""
        return f"{scorer_identity(self._detector.nets)} looks {LOOKS_VERSION}"

    @property
    def spec(self) -> ModelSpec:
        """The numbers of the weights."""
        return self._detector.spec

    def close(self) -> None:
        """End the decoding processes."""
        self._detector.close()
        self._pool.close()

    def measure(self, path: str, file: Path) -> FileMeasure:
        """Return what is said and seen of ``file``, which the manifest calls ``path``.

        A file that cannot be read is an answer with an error code.
        """
        try:
            with self._pool.open(file) as reader:
                onlooker = Onlooker(reader)
                analysis = self._detector.analyse(onlooker)
                info = reader.info
        except MediaError as error:
            return FileMeasure(path, "", "error", error=error.code)
        verdict = judge(analysis, self._detector.spec)
        faces = max(len(one.tracks) for one in (analysis, *analysis.others))
        face = voice = None
        if info.video is not None:
            is_still = info.kind is MediaKind.IMAGE
            face = look_at_pictures(onlooker.pictures, self._finder, is_still, patient=not faces)
        if info.audio is not None:
            voice = look_at_sound(onlooker.sound, info.audio.sample_rate_hz, info.duration_seconds)
        answer, probability = verdict.label.value, verdict.probability_fake
        return FileMeasure(path, info.kind.value, answer, probability, faces, face, voice)
