# SPDX-License-Identifier: Apache-2.0
"""What a face and a voice look like, on colours, faces and sounds that are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import talk
from skimage.color import lab2rgb, rgb2lab

from cad.evaluation.fairness.face_look import (
    contrast_of,
    look_at_face,
    look_at_pictures,
    patient_look,
    turn_of,
)
from cad.evaluation.fairness.skin_tone import TONES, cheek_angle, cheek_middles, lab_of, tone_of, typology_angle
from cad.evaluation.fairness.voice_look import look_at_sound
from cad.faces.finder import FaceFinder
from cad.faces.records import CANONICAL_POINTS_PX, FaceDetection

ASTRONAUT = Path(__file__).parents[1] / "data" / "astronaut.jpg"
RATE_HZ = 16_000


def skin(lightness: float, yellowness: float, redness: float = 12.0) -> np.ndarray:
    """Return one sRGB colour."""
    return np.round(lab2rgb(np.array([[[lightness, redness, yellowness]]], np.float64))[0, 0] * 255).astype(np.uint8)


def face_of(colour: np.ndarray) -> np.ndarray:
    return np.broadcast_to(colour, (160, 160, 3)).copy()


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)


def test_colours_are_cielab_under_d65(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 20, 3), np.uint8)
    # OpenCV reads its curves from tables.
    assert np.abs(lab_of(pixels) - rgb2lab(pixels)).max() < 0.5


@pytest.mark.parametrize(
    ("lightness", "yellowness", "degrees"), [(70, 20, 45.0), (50, 18, 0.0), (75, 15, 59.04), (35, 15, -45.0)]
)
def test_the_angle_of_cheeks_is_that_of_their_colour(lightness: float, yellowness: float, degrees: float) -> None:
    assert typology_angle(lightness, yellowness) == pytest.approx(degrees, abs=0.01)
    # A colour of 8 bits is off by half a level.
    assert cheek_angle(face_of(skin(lightness, yellowness)), CANONICAL_POINTS_PX) == pytest.approx(degrees, abs=1.5)


def test_the_edges_of_the_six_tones() -> None:
    for (name, above), (darker, _) in pairwise(TONES):
        assert (tone_of(above + 0.01), tone_of(above)) == (name, darker)
    assert [name for name, _ in TONES] == ["very light", "light", "intermediate", "tan", "brown", "dark"]
    assert (tone_of(90.0), tone_of(-90.0)) == ("very light", "dark")


def test_gloss_and_shadow_on_the_cheeks_do_not_count() -> None:
    crop = face_of(skin(60, 20))
    clean = cheek_angle(crop, CANONICAL_POINTS_PX)
    for x, y in cheek_middles(CANONICAL_POINTS_PX):
        left, top = round(x), round(y)
        crop[top - 7 : top - 3, left - 7 : left + 8] = 255
        crop[top + 5 : top + 8, left - 7 : left + 8] = 3
    assert cheek_angle(crop, CANONICAL_POINTS_PX) == pytest.approx(clean, abs=0.5)
    for x, y in cheek_middles(CANONICAL_POINTS_PX):
        crop[round(y) - 7 : round(y) + 6, round(x) - 8 : round(x) + 9] = 255
    assert cheek_angle(crop, CANONICAL_POINTS_PX) is None


@pytest.mark.parametrize("colour", [(128, 128, 128), (120, 130, 200), (110, 75, 85), (2, 1, 1)])
def test_grey_blue_purple_and_black_faces_have_no_tone(colour: tuple[int, int, int]) -> None:
    assert cheek_angle(face_of(np.array(colour, np.uint8)), CANONICAL_POINTS_PX) is None


def test_light_skin_in_the_shade_of_a_blue_sky_is_not_taken_for_dark_skin() -> None:
    assert typology_angle(43, 4.5) < -50
    assert cheek_angle(face_of(skin(43, 4.5, redness=14)), CANONICAL_POINTS_PX) is None
    assert cheek_angle(face_of(skin(50, 20, redness=-6)), CANONICAL_POINTS_PX) is None, "green light"
    dark = cheek_angle(face_of(skin(22, 9, redness=8)), CANONICAL_POINTS_PX)
    assert dark is not None and tone_of(dark) == "dark"


def test_of_a_turned_head_the_near_cheek_is_measured() -> None:
    points = CANONICAL_POINTS_PX.copy()
    points[2] = [64.0, 83.0]  # the nose stands before the left cheek
    (middle,) = cheek_middles(points)
    assert middle[0] > 100
    crop = face_of(skin(40, 20))
    crop[:, 90:] = skin(70, 20)
    assert cheek_angle(crop, points) == pytest.approx(45.0, abs=1.5)


def test_the_turn_of_a_head_follows_its_nose() -> None:
    points = CANONICAL_POINTS_PX.copy()
    assert turn_of(points) < 0.02
    points[2, 0] += 10
    assert turn_of(points) == pytest.approx(0.25, abs=0.02)


def test_a_photograph_that_is_made_darker_is_measured_as_darker(finder: FaceFinder, astronaut: np.ndarray) -> None:
    (face, *_) = finder.find(astronaut, every_size=True)
    looks = {
        gain: look_at_face(np.clip(astronaut * gain, 0, 255).astype(np.uint8), face) for gain in (1.1, 1.0, 0.6, 0.3)
    }
    angles = [looks[gain].typology_degrees for gain in (1.0, 0.6, 0.3)]
    lights = [looks[gain].light for gain in (1.1, 1.0, 0.6, 0.3)]
    assert None not in angles and angles == sorted(angles, reverse=True) and angles[0] - angles[2] > 40
    assert lights == sorted(lights, reverse=True) and lights[1] == pytest.approx(71.5, abs=3)
    assert tone_of(angles[0]) == "very light" and tone_of(angles[2]) in ("brown", "dark")
    blown_out = look_at_face(np.clip(astronaut * 4.0, 0, 255).astype(np.uint8), face)
    assert blown_out.typology_degrees is None


def test_the_size_of_a_face_is_that_in_the_file(finder: FaceFinder, astronaut: np.ndarray) -> None:
    once = look_at_pictures([(astronaut, 1.0)], finder, is_still=True, patient=False)
    twice = look_at_pictures([(astronaut, 2.0)], finder, is_still=True, patient=False)
    assert once.height_px == pytest.approx(113, abs=5) and not once.was_missed
    assert twice.height_px == pytest.approx(2 * once.height_px)
    assert once.contrast is not None and 70 < once.contrast <= 100


def test_the_middle_of_several_pictures_counts(finder: FaceFinder, astronaut: np.ndarray) -> None:
    dark = (astronaut * 0.5).astype(np.uint8)
    both = look_at_pictures([(dark, 1.0), (astronaut, 1.0), (astronaut, 1.0)], finder, is_still=False, patient=False)
    one = look_at_pictures([(astronaut, 1.0)], finder, is_still=False, patient=False)
    assert both.typology_degrees == one.typology_degrees and both.light == one.light


class BlindFinder:
    """Finds a face only in a picture that is light enough, and otherwise has a faint idea of one."""

    def __init__(self, least_mean: float) -> None:
        self.least_mean = least_mean

    def find(self, frame: np.ndarray, every_size: bool = False) -> list[FaceDetection]:
        return [self._face(0.99)] if frame.mean() >= self.least_mean else []

    def search(self, frame: np.ndarray, scale: float) -> list[FaceDetection]:
        # The margin moves a face right and down.
        shift = np.float32(round(0.25 * 160))
        face = self._face(scale / 4)
        return [FaceDetection(face.box_px + shift, face.points_px + shift, face.score)]

    @staticmethod
    def _face(score: float) -> FaceDetection:
        return FaceDetection(np.array([40, 30, 120, 140], np.float32), CANONICAL_POINTS_PX, score)


def test_a_face_that_was_missed_is_looked_for_patiently() -> None:
    picture = np.full((160, 160, 3), (60, 40, 30), np.uint8)
    seen_when_lit = look_at_pictures([(picture, 1.0)], BlindFinder(70.0), is_still=True, patient=True)
    assert seen_when_lit.was_missed and seen_when_lit.height_px == 110
    assert seen_when_lit.light < 25, "the face is measured as it is, not as it was lit"
    never = BlindFinder(300.0)
    guess = patient_look(picture, never)
    assert guess is not None and guess.score == 0.25 and guess.box_px.tolist() == [40, 30, 120, 140]
    assert look_at_pictures([(picture, 1.0)], never, is_still=True, patient=False).height_px is None


def test_a_photograph_in_near_darkness_is_a_face_that_was_missed(finder: FaceFinder, astronaut: np.ndarray) -> None:
    gloom = (astronaut * 0.015).astype(np.uint8)
    assert finder.find(gloom, every_size=True) == []
    look = look_at_pictures([(gloom, 1.0)], finder, is_still=True, patient=True)
    assert look.was_missed and look.height_px == pytest.approx(113, abs=15) and look.light < 2
    assert look.typology_degrees is None, "black has no tone"


def test_contrast_is_what_the_lightness_spans() -> None:
    half = np.zeros((100, 100, 3), np.uint8)
    half[:, 50:] = 255
    assert contrast_of(half) == pytest.approx(100, abs=0.5)
    assert contrast_of(half // 4 + 60) < 40


@pytest.mark.parametrize("hertz", [85.0, 130.0, 210.0, 320.0])
def test_the_pitch_of_a_buzz_is_its_own(hertz: float) -> None:
    time = np.arange(RATE_HZ * 2) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12)).astype(np.float32) * 0.1
    look = look_at_sound(buzz, 44_100, 2.0)
    assert look.pitch_hz == pytest.approx(hertz, rel=0.03)
    assert (look.rate_hz, look.seconds) == (44_100, 2.0)


def test_noise_has_a_level_and_a_band_but_no_pitch(rng: np.random.Generator) -> None:
    noise = (0.1 * rng.standard_normal(RATE_HZ * 2)).astype(np.float32)
    wide = look_at_sound(noise, RATE_HZ, 2.0)
    assert wide.level_dbfs == pytest.approx(-20, abs=0.2) and wide.band_hz > 7900 and wide.pitch_hz is None
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(noise), 1 / RATE_HZ) > 3400] = 0
    narrow = look_at_sound(np.fft.irfft(spectrum).astype(np.float32), RATE_HZ, 2.0)
    assert narrow.band_hz == pytest.approx(3400, abs=150)


def test_pauses_do_not_lower_the_level_and_silence_has_none() -> None:
    voice = talk(2.0)
    paused = np.concatenate([voice, np.zeros(RATE_HZ * 4, np.float32)])
    alone, with_pause = look_at_sound(voice, RATE_HZ, 2.0), look_at_sound(paused, RATE_HZ, 6.0)
    assert with_pause.level_dbfs == pytest.approx(alone.level_dbfs, abs=1.0)
    assert alone.pitch_hz is not None and 60 < alone.pitch_hz < 400
    for samples in (np.zeros(RATE_HZ, np.float32), np.zeros(0, np.float32)):
        silent = look_at_sound(samples, RATE_HZ, 1.0)
        assert (silent.level_dbfs, silent.band_hz, silent.pitch_hz) == (None, None, None)
