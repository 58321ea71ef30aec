# SPDX-License-Identifier: Apache-2.0
"""Gives the fairness measurement what a picture's largest face looks like: skin tone, light, size, pose, contrast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.evaluation.fairness.skin_tone import cheek_angle, lab_of
from cad.faces.align import align_face, canonical_points, similarity
from cad.faces.finder import FaceFinder
from cad.faces.records import CROP_SIZE_PX, FaceDetection

#: What a patient look tries where no face was found: the picture with its dark parts raised by these exponents, as it
#: is first; and each with a margin, as for faces that fill the picture.
EXPONENTS = (1.0, 0.6, 0.35)
#: A patient look takes what the net is at least so sure of, confirmed or not: the picture is known to show a face.
PATIENT_SCORE = 0.2
#: Sides at which it looks, and the margin as a share of the long side.
PATIENT_SIDES_PX, PATIENT_MARGIN = (160, 320, 640), 0.25
#: Contrast is what lies between these percentiles of a picture's L*.
CONTRAST_PERCENTILES = (5.0, 95.0)


@dataclass(frozen=True, slots=True)
class FaceLook:
    """A face as a picture shows it; None where something could not be measured.

    Attributes:
        height_px: Of its box, in the file's pixels.
        typology_degrees: Individual typology angle of the cheeks.
        light: Mean L* of the face, in [0, 100].
        turn: By how much of the eye distance the nose lies off the middle; 0 is frontal.
        contrast: What lies between the 5th and 95th percentile of L* of the whole picture.
        was_missed: Whether the face finder's ordinary way did not find it, and only a patient look did.
    """

    height_px: float | None = None
    typology_degrees: float | None = None
    light: float | None = None
    turn: float | None = None
    contrast: float | None = None
    was_missed: bool = False


def look_at_pictures(
    pictures: Sequence[tuple[NDArray[np.uint8], float]], finder: FaceFinder, is_still: bool, patient: bool
) -> FaceLook:
    """Return how the largest face looks in the middle of some pictures of a file.

    Args:
        pictures: uint8 (height, width, 3) RGB, each with the number of the file's pixels that one of its stands for.
        finder: Finds the face.
        is_still: Whether it is searched through and through, as the product does with a still.
        patient: Whether to go on looking where that finds nothing.
    """
    looks: list[FaceLook] = []
    contrasts = [contrast_of(frame) for frame, _ in pictures]
    for frame, scale in pictures:
        found = finder.find(frame, every_size=is_still)
        face = found[0] if found else (patient_look(frame, finder) if patient else None)
        if face is not None:
            looks.append(replace(look_at_face(frame, face, scale), was_missed=not found))
    return FaceLook(
        height_px=_median([look.height_px for look in looks]),
        typology_degrees=_median([look.typology_degrees for look in looks]),
        light=_median([look.light for look in looks]),
        turn=_median([look.turn for look in looks]),
        contrast=_median(contrasts),
        was_missed=bool(looks) and all(look.was_missed for look in looks),
    )


def look_at_face(frame: NDArray[np.uint8], face: FaceDetection, file_scale: float = 1.0) -> FaceLook:
    """Return how one face of a picture looks, all but the contrast of the picture."""
    crop = align_face(frame, face.points_px)
    matrix = similarity(face.points_px, canonical_points(CROP_SIZE_PX))
    points = face.points_px @ matrix[:, :2].T + matrix[:, 2]
    return FaceLook(
        height_px=float(face.box_px[3] - face.box_px[1]) * file_scale,
        typology_degrees=cheek_angle(crop, points),
        light=float(lab_of(crop)[40:125, 45:115, 0].mean()),
        turn=turn_of(points),
    )


def turn_of(points_px: NDArray[np.floating]) -> float:
    """Return by how much of the eye distance the nose lies off the middle of an upright face.

    Source: a nose that stands p eye distances before the plane of the eyes is seen p * tan(yaw) off the middle, in eye
    distances as they are seen.

    Example:
        >>> turn_of(np.array([[0, 0], [10, 0], [8, 5], [1, 10], [9, 10]]))
        0.3
    """
    eyes, mouth = points_px[:2].mean(axis=0), points_px[3:].mean(axis=0)
    between = max(float(np.linalg.norm(points_px[1] - points_px[0])), 1e-6)
    return abs(float(points_px[2][0] - (eyes[0] + mouth[0]) / 2)) / between


def contrast_of(frame: NDArray[np.uint8]) -> float:
    """Return what lies between the 5th and 95th percentile of a picture's L*.

    Example:
        >>> contrast_of(np.full((64, 64, 3), 90, np.uint8))
        0.0
    """
    longest = max(frame.shape[:2])
    scale = min(1.0, 320 / longest)
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    low, high = np.percentile(lab_of(small)[..., 0], CONTRAST_PERCENTILES).tolist()
    return float(high - low)


def patient_look(frame: NDArray[np.uint8], finder: FaceFinder) -> FaceDetection | None:
    """Return the face of a picture that is known to show one, with ways that would be too lenient for any picture.

    The picture is brightened, given a margin and searched at several sizes; what the net is surest of is taken.
    """
    for lit in _brightened(frame):
        if found := finder.find(lit, every_size=True):
            return found[0]
    best: FaceDetection | None = None
    for lit in _brightened(frame):
        margin = round(PATIENT_MARGIN * max(lit.shape[:2]))
        wide = np.pad(lit, ((margin, margin), (margin, margin), (0, 0)))
        for side in PATIENT_SIDES_PX:
            for face in finder.search(wide, min(1.0, side / max(wide.shape[:2]))):
                if face.score >= max(PATIENT_SCORE, best.score if best else 0.0):
                    shift = np.float32(margin)
                    best = FaceDetection(face.box_px - shift, face.points_px - shift, face.score)
    return best


def _brightened(frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for exponent in EXPONENTS:
        table = np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
        yield table[frame]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
