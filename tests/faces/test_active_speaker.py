# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np

from cad.clock import SAMPLES_PER_FRAME
from cad.faces.active_speaker import LEAST_MOTION, ActiveSpeaker, LipScore
from cad.faces.records import FaceCrops
from cad.loudness import levels_for_lips, slot_loudness

SLOTS = 120


def _loudness(samples: np.ndarray) -> np.ndarray:
    return slot_loudness(levels_for_lips(samples.astype(np.float32)), np.ones(SLOTS, bool))


def _speech(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noise that is loud in bursts, and how loud it is in each slot."""
    level = np.repeat(rng.uniform(0, 1, SLOTS // 5 + 1), 5)[:SLOTS] ** 2
    samples = rng.normal(0, 0.3, SLOTS * SAMPLES_PER_FRAME) * np.repeat(level + 0.01, SAMPLES_PER_FRAME)
    return _loudness(np.clip(samples, -1, 1)), level


def _crops(
    track_id: int, opening: np.ndarray, rng: np.random.Generator, nod_px: float = 0, noise: float = 3
) -> FaceCrops:
    """A drawn face whose mouth is open by ``opening`` (slots,) in [0, 1] and that nods."""
    frames = np.zeros((len(opening), 160, 160, 3), np.uint8)
    for i, share in enumerate(opening):
        face = np.full((160, 160, 3), 170, np.uint8)
        for x in (60, 100):
            cv2.circle(face, (x, 60), 7, (40, 40, 40), -1)
        cv2.ellipse(face, (80, 108), (17, 1 + int(14 * share)), 0, 0, 360, (90, 30, 30), -1)
        shift = nod_px * np.sin(i / 2)
        face = cv2.warpAffine(face, np.array([[1, 0, 0], [0, 1, shift]]), (160, 160), borderMode=cv2.BORDER_REPLICATE)
        frames[i] = np.clip(face + rng.normal(0, noise, face.shape), 0, 255)
    n = len(opening)
    blank = np.zeros((n, 4), np.float32), np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32)
    return FaceCrops(track_id, 0, frames, np.ones(n, bool), *blank)


def _mouth(level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lips of somebody who says something this loud: open and shut several times a second, wider when loud."""
    return level * (0.5 + 0.5 * np.sin(np.arange(len(level)) * 1.9 + rng.uniform(0, 6)))


def test_the_speaker_is_told_from_listeners_other_talkers_and_posters(rng: np.random.Generator) -> None:
    audio, level = _speech(rng)
    _, other = _speech(rng)
    faces = ActiveSpeaker()
    for track_id, opening, nod in (
        (0, np.zeros(SLOTS), 0.0),  # a poster
        (1, _mouth(other, rng), 0.5),  # talks, but says something else
        (2, _mouth(level, rng), 0.5),  # the speaker
        (3, np.zeros(SLOTS), 3.0),  # listens and nods
    ):
        crops = _crops(track_id, opening, rng, nod)
        for start in range(0, SLOTS, 25):
            part = slice(start, start + 25)
            faces.push(
                FaceCrops(
                    track_id, start, crops.crops[part], crops.present[part], crops.boxes_px[part],
                    crops.points_px[part], crops.scores[part],
                )
            )  # fmt: skip
    scores = {score.track_id: score for score in faces.scores(audio)}
    assert max(scores.values(), key=lambda score: score.score).track_id == 2
    assert scores[2].score > 0.5
    assert scores[1].score < 0.35 and scores[3].score < 0.35 and scores[0].score == 0
    assert scores[0].motion < LEAST_MOTION < scores[2].motion


def test_sound_a_little_late_is_still_this_face(rng: np.random.Generator) -> None:
    audio, level = _speech(rng)
    faces = ActiveSpeaker()
    faces.push(_crops(0, _mouth(np.roll(level, -2), rng), rng))
    assert faces.scores(audio)[0].score > 0.5


def test_nobody_talks_without_sound_or_in_a_glimpse(rng: np.random.Generator) -> None:
    audio, level = _speech(rng)
    faces = ActiveSpeaker()
    faces.push(_crops(0, _mouth(level, rng)[:10], rng))
    assert faces.scores(audio)[0].score == 0
    assert faces.scores(None)[0].score == 0


def test_silence_makes_nobody_the_speaker(rng: np.random.Generator) -> None:
    _, level = _speech(rng)
    silent = _loudness(np.zeros(SLOTS * SAMPLES_PER_FRAME))
    faces = ActiveSpeaker()
    faces.push(_crops(0, _mouth(level, rng), rng))
    assert faces.scores(silent) == [LipScore(0, 0.0, faces.scores(silent)[0].motion, SLOTS - 1)]


def test_a_slot_that_was_not_seen_is_no_motion(rng: np.random.Generator) -> None:
    faces = ActiveSpeaker()
    crops = _crops(0, np.zeros(40), rng)
    present = np.ones(40, bool)
    present[10:20] = False
    crops.crops[10:20] = 0
    faces.push(FaceCrops(0, 0, crops.crops, present, crops.boxes_px, crops.points_px, crops.scores))
    assert faces.scores(None)[0].motion < LEAST_MOTION


def test_loudness_has_a_floor_and_says_where_there_is_no_sound() -> None:
    samples = np.zeros(3 * SAMPLES_PER_FRAME, np.float32)
    samples[:SAMPLES_PER_FRAME] = 0.5
    loudness = slot_loudness(levels_for_lips(samples), np.array([True, True, False]))
    assert np.isclose(loudness[0], -6.02, atol=0.01) and np.isclose(loudness[1], -56.02, atol=0.01)
    assert np.isnan(loudness[2])
