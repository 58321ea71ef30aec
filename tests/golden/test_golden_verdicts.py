# SPDX-License-Identifier: Apache-2.0
"""The whole product, with nothing put in its place, says of ten clips what it said before (tests/golden/README.md)."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from golden_verdicts import CLIPS, Document, differences, recorded_verdicts, verdicts_now

from cad.media.reader import open_media

NAMES = [clip.name for clip in CLIPS]
#: More threads may add up numbers in another order, which must not show.
THREADS_TOLERANCE = 0.005
RENEW = "if that is meant: python tests/golden/record.py"


@pytest.fixture(scope="module")
def now() -> dict[str, Document]:
    return verdicts_now()


@pytest.fixture(scope="module")
def then() -> dict[str, Document]:
    return recorded_verdicts()


def test_every_clip_has_a_record_and_every_record_a_clip(then):
    assert sorted(then) == NAMES and len(NAMES) == 10
    assert sum(clip.stat().st_size for clip in CLIPS) < 2_500_000


def test_the_record_was_made_with_these_weights(now, then):
    weights = {name: (one["model"]["name"], one["model"]["sha256"]) for name, one in now.items()}
    assert weights == {name: (one["model"]["name"], one["model"]["sha256"]) for name, one in then.items()}, RENEW


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_the_recorded_one(name, now, then):
    found = differences(now[name], then[name])
    assert not found, "\n".join([name, *found, RENEW])


def test_the_container_does_not_matter(now):
    # Matroska writes down how long the sound's last packet lasts, MP4 how much of it counts.
    same_length = now["talking.mkv"] | {"media": now["talking.mp4"]["media"]}
    assert differences(same_length, now["talking.mp4"], 0.002) == []


def test_the_number_of_threads_does_not_matter(now):
    more = verdicts_now(threads=2)
    assert [differences(more[name], now[name], THREADS_TOLERANCE) for name in NAMES] == [[]] * len(NAMES)


def test_the_clips_are_what_they_are_for(then):
    codes = {name: {reason["code"] for reason in one["reasons"]} for name, one in then.items()}
    judged = {name: sum(face["probability_fake"] is not None for face in one["faces"]) for name, one in then.items()}
    assert {one["label"] for one in then.values()} == {"real", "fake", "inconclusive"}
    assert judged["several_faces.mp4"] == 2 and len(then["several_faces.mp4"]["faces"]) == 3
    assert [face["talking"] for face in then["several_faces.mp4"]["faces"]][:2] == [True, False]
    assert "no_face" in codes["no_face.mp4"] and "no_audio" in codes["no_sound.mp4"]
    assert "still_image" in codes["still.jpg"] and then["still.jpg"]["media"]["kind"] == "image"
    first, second = then["cuts.mp4"]["faces"]
    assert (first["stop_seconds"], second["start_seconds"]) == pytest.approx((2.4, 3.6), abs=0.05)
    assert (then["rotated.mp4"]["media"]["width"], then["rotated.mp4"]["media"]["height"]) == (240, 320)
    assert "constant_offset" in codes["rotated.mp4"]
    assert {segment["stream"] for segment in then["rotated.mp4"]["segments"]} == {"audio", "sync"}


def test_the_uneven_clip_is_uneven():
    with open_media(Path(__file__).parent / "clips" / "variable_rate.webm") as reader:
        present = np.concatenate([chunk.present for chunk in reader.video_chunks()])
    gaps = np.diff(np.flatnonzero(present))
    assert gaps.max() > 8 and len(present) == 100


def changed(document: Document, change: str) -> Document:
    """Return a verdict with one thing in it changed."""
    document = copy.deepcopy(document)
    match change:
        case "label":
            document["label"] = "real"
        case "probability":
            document["probability_fake"] -= 0.03
        case "stream":
            document["streams"]["audio"]["probability_fake"] -= 0.03
        case "reason":
            document["reasons"].append({"code": "partly_read", "text": ""})
        case "offset":
            document["reasons"][-1]["text"] = document["reasons"][-1]["text"].replace("about 0.", "about 1.")
        case "face":
            document["faces"][0]["stop_seconds"] += 0.08
        case "faces":
            document["faces"] *= 2
        case "segment":
            document["segments"][0]["start_seconds"] += 0.08
        case "media":
            document["media"]["width"] += 2
    return document


@pytest.mark.parametrize(
    "change", ["label", "probability", "stream", "reason", "offset", "face", "faces", "segment", "media"]
)
def test_a_change_is_seen(change, then):
    assert differences(changed(then["rotated.mp4"], change), then["rotated.mp4"])


def test_small_differences_are_let_pass(then):
    close = copy.deepcopy(then["rotated.mp4"])
    close["probability_fake"] -= 0.01
    close["faces"][0]["stop_seconds"] -= 0.04
    close["reasons"][0]["text"] = "in other words"
    assert differences(close, then["rotated.mp4"]) == []


def test_the_recipe_still_makes_the_committed_picture(tmp_path):
    import cv2
    from make_clips import still

    still(tmp_path)
    again, committed = (cv2.imread(str(folder / "still.jpg")) for folder in (tmp_path, CLIPS[0].parent))
    assert np.abs(again.astype(int) - committed).mean() < 0.5
