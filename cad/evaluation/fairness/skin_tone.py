# SPDX-License-Identifier: Apache-2.0
"""Gives a face look the skin tone of a face: the individual typology angle of its cheeks.

The angle is of the colour in the picture. It follows the light and the camera as well as the skin, so a bin of it is a
statement about pictures and no statement about a person.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

#: Tones from light to dark, and the angle in degrees that a tone lies above.
#: Source: Chardon, Cretois and Hourseau, *Skin colour typology and suntanning pathways*, International Journal of
#: Cosmetic Science 13, 1991.
TONES = (
    ("very light", 55.0),
    ("light", 41.0),
    ("intermediate", 28.0),
    ("tan", 10.0),
    ("brown", -30.0),
    ("dark", -math.inf),
)
#: Half the side of a cheek's patch, in an aligned crop with 40 px between the eyes.
PATCH_HALF_PX = 7
#: A cheek lies halfway between eye and mouth, and by this share of the way from the nose further out.
OUTWARD = 0.25
#: On a face that is turned away the far cheek is nearer to the nose than this (of the eye distance of the aligned
#: crop): nothing of it is to be seen.
LEAST_FROM_NOSE = 0.25
EYE_DISTANCE_PX = 40.0
#: Pixels that are clipped in any channel are highlights or blown out; those with hardly any light have no colour. Skin
#: in bright light has a red just below: a lower limit would leave light faces out.
CLIPPED, LEAST_LIGHTNESS = 255, 5.0
#: Beside these, the lightest and the darkest tenth of what is left: gloss, stubble, shadows of hair.
TRIMMED_PERCENT = 10.0
#: Less than this share of the cheeks left, and nothing is said.
LEAST_SHARE = 0.3
#: Skin in white light is yellower than this; what is less so stands in coloured light, and its angle would be wild.
LEAST_YELLOWNESS = 4.0
#: And its hue lies between these, in degrees from red to yellow: below them the light is blue or pink, above it green.
HUES_DEGREES = (25.0, 90.0)
#: A face whose median chroma is below this is a grey picture's.
GREY_CHROMA = 3.0


def lab_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the CIELAB colours (white point D65) of sRGB pixels.

    Args:
        pixels: uint8 (height, width, 3) RGB.

    Returns:
        float32 (height, width, 3): L* in [0, 100], a*, b*.
    """
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), dtype=np.float32)


def typology_angle(lightness: float, yellowness: float) -> float | None:
    """Return the individual typology angle in degrees, arctan((L* - 50) / b*); None where b* is no skin's.

    Args:
        lightness: L*, in [0, 100].
        yellowness: b*; that of skin is above LEAST_YELLOWNESS.

    Example:
        >>> round(typology_angle(70.0, 20.0)), typology_angle(50.0, 15.0), typology_angle(35.0, 2.0)
        (45, 0.0, None)
    """
    return math.degrees(math.atan((lightness - 50.0) / yellowness)) if yellowness >= LEAST_YELLOWNESS else None


def tone_of(angle_degrees: float) -> str:
    """Return the name of the tone of an angle; an angle on an edge belongs to the darker tone.

    Example:
        >>> tone_of(55.1), tone_of(55.0), tone_of(-30.0)
        ('very light', 'light', 'dark')
    """
    return next(name for name, above in TONES if angle_degrees > above)


def cheek_angle(crop: NDArray[np.uint8], points_px: NDArray[np.floating]) -> float | None:
    """Return the typology angle of the cheeks of an aligned face, in degrees.

    It is that of the median colour of both cheeks, of the one that is seen of a turned head.

    Args:
        crop: uint8 (160, 160, 3) RGB, aligned to ``CANONICAL_POINTS_PX``.
        points_px: (5, 2) where the face's own points lie in it.

    Returns:
        None where it cannot be told: the picture is grey, most of the cheeks is blown out or in the dark, or their
        colour is no skin's (blue light).
    """
    lab = lab_of(crop)
    face = lab[40:125, 45:115]
    if float(np.median(np.hypot(face[..., 1], face[..., 2]))) < GREY_CHROMA:
        return None
    patches = [_patch(lab, crop, middle) for middle in cheek_middles(points_px)]
    if not patches:
        return None
    pixels = np.concatenate([inside for inside, _ in patches])
    whole = sum(count for _, count in patches)
    if len(pixels) < max(1.0, LEAST_SHARE * whole):
        return None
    low, high = np.percentile(pixels[:, 0], [TRIMMED_PERCENT, 100 - TRIMMED_PERCENT])
    kept = pixels[(pixels[:, 0] >= low) & (pixels[:, 0] <= high)]
    lightness, redness, yellowness = np.median(kept, axis=0).tolist()
    if not HUES_DEGREES[0] <= math.degrees(math.atan2(yellowness, redness)) <= HUES_DEGREES[1]:
        return None
    return typology_angle(lightness, yellowness)


def cheek_middles(points_px: NDArray[np.floating]) -> list[NDArray[np.float64]]:
    """Return the middles (x, y) of the cheeks that can be seen, from the five points of an aligned face.

    Example:
        >>> from cad.faces.records import CANONICAL_POINTS_PX
        >>> [middle.round().tolist() for middle in cheek_middles(CANONICAL_POINTS_PX)]
        [[57.0, 83.0], [103.0, 83.0]]
    """
    points = np.asarray(points_px, dtype=np.float64)
    middles = []
    for eye, mouth in ((0, 3), (1, 4)):
        between = (points[eye] + points[mouth]) / 2
        if np.linalg.norm(between - points[2]) >= LEAST_FROM_NOSE * EYE_DISTANCE_PX:
            middles.append(between + OUTWARD * (between - points[2]))
    return middles


def _patch(
    lab: NDArray[np.float32], crop: NDArray[np.uint8], middle: NDArray[np.float64]
) -> tuple[NDArray[np.float32], int]:
    """Return the colours (pixels, 3) around ``middle`` that are neither clipped nor dark, and how many there were."""
    (left, top), side = np.round(middle).astype(int) - PATCH_HALF_PX, 2 * PATCH_HALF_PX + 1
    place = slice(max(0, int(top)), max(0, int(top) + side)), slice(max(0, int(left)), max(0, int(left) + side))
    colours, raw = lab[place].reshape(-1, 3), crop[place].reshape(-1, 3)
    kept = (raw.max(axis=1) < CLIPPED) & (colours[:, 0] >= LEAST_LIGHTNESS)
    return colours[kept], side * side
