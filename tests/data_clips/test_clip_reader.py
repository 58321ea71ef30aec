# SPDX-License-Identifier: Apache-2.0
"""ClipReader makes every training clip: the right face, in the right place, in the right slot, with its sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import talk, write_wav
from portrait_clips import GOLDEN, placed, portrait, write_pictures

from cad.data.clips import ClipReader
from cad.data.records import Clip
from cad.errors import DataError, MediaNotFoundError, MediaUnreadableError
from cad.faces.align import align_face, canonical_points
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.reader import open_media

CANONICAL = canonical_points(192, 16)


@pytest.fixture(scope="module")
def reader() -> Iterator[ClipReader]:
    reader = ClipReader()
    yield reader
    reader.close()


def read(reader: ClipReader, path: Path) -> Clip:
    """Return a file's clip; rows are made here only."""
    from cad.data.manifest import Row

    row = Row(
        path=path.name,
        label=0,
        video_fake=0,
        audio_fake=0,
        method="real",
        identity="eileen",
        pair_id="pair 7",
        source="nasa.gov",
        split="train",
    )
    return reader.read(path.parent, row)


def tracks_of(path: Path) -> dict[int, list[FaceCrops]]:
    """Return every track of a file as the product sees it, in crops of 160 px."""
    tracker, found = FaceTracker(), []
    with open_media(path) as media:
        for chunk in media.video_chunks():
            found += tracker.push(chunk)
    tracks: dict[int, list[FaceCrops]] = {}
    for piece in found + tracker.flush():
        tracks.setdefault(piece.track_id, []).append(piece)
    return tracks


def difference(clip: Clip, pieces: list[FaceCrops]) -> float:
    """Return by how many grey levels the middle of a clip's crops differs from the product's, at the worst slot."""
    assert clip.frames is not None
    worst = 0.0
    for piece in pieces:
        for index in np.flatnonzero(piece.present):
            inner = clip.frames[piece.first_slot + index, 16:176, 16:176].astype(np.int16)
            worst = max(worst, float(np.abs(inner - piece.crops[index]).mean()))
    return worst


def test_the_clip_says_where_in_its_file_it_starts(reader, tmp_path):
    picture, _ = placed(0.9, -60, -10)
    # The grid starts where both streams are there; data sets count from the file's first frame.
    late = write_pictures(tmp_path / "late.mp4", [picture] * 15, talk(0.4), first_sample=3200)
    assert read(reader, late).start_seconds == pytest.approx(0.2, abs=0.002)
    assert read(reader, write_pictures(tmp_path / "a.mp4", [picture] * 5)).start_seconds == 0
    assert read(reader, write_wav(tmp_path / "a.wav", talk(0.4))).start_seconds == 0


def test_the_face_lies_at_its_standard_place(reader, tmp_path):
    picture, points = placed(0.9, -60, -10)
    clip = read(reader, write_pictures(tmp_path / "a.mp4", [picture] * 15))
    assert clip.frames.shape == (15, 192, 192, 3) and clip.frames.dtype == np.uint8
    assert clip.points_px.shape == (15, 5, 2) and clip.points_px.dtype == np.float32
    assert clip.frames_present.all() and clip.audio is None and not clip.audio_present.any()
    # Nobody's face is the template; the eyes are nearest to it.
    distances = np.linalg.norm(clip.points_px - CANONICAL, axis=2)
    assert distances.max() < 9 and distances[:, :2].max() < 5
    assert np.abs(clip.points_px.mean(axis=1) - CANONICAL.mean(axis=0)).max() < 0.1
    # The same crop straight from the picture, without reading and tracking.
    (face,) = FaceFinder().find(picture)
    assert np.linalg.norm(face.points_px - points, axis=1).max() < 4
    straight = align_face(picture, face.points_px, 192, 16)
    grey = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) for crop in (straight, clip.frames[7])]
    (right_px, down_px), sureness = cv2.phaseCorrelate(*grey)
    assert np.hypot(right_px, down_px) < 1 and sureness > 0.5


def test_the_points_are_where_the_face_is_seen_in_the_crop(reader):
    clip = read(reader, GOLDEN / "talking.mp4")
    finder = FaceFinder()
    for slot in (0, 33, 66, 99):
        (face,) = finder.find(clip.frames[slot])
        assert np.linalg.norm(face.points_px - clip.points_px[slot], axis=1).max() < 4


@pytest.mark.parametrize(("name", "track"), [("talking.mp4", 0), ("rotated.mp4", 0), ("several_faces.mp4", 0)])
def test_the_crop_is_the_products_with_a_margin(reader, name, track):
    clip = read(reader, GOLDEN / name)
    tracks = tracks_of(GOLDEN / name)
    assert difference(clip, tracks[track]) < 1
    assert all(difference(clip, pieces) > 10 for other, pieces in tracks.items() if other != track)
    # The margin holds more of the picture, not a frame of black.
    assert np.median(clip.frames[:, 2:190, 8]) > 20


@pytest.mark.parametrize(
    ("slots", "stays"),
    [((15, 60), "small"), ((40, 40), "large")],
)
def test_the_face_that_is_longest_and_largest_stays(reader, tmp_path, slots, stays):
    large, small = placed(1.3, -180, -30)[0], placed(0.6, 20, 90)[0][:, ::-1]
    path = write_pictures(tmp_path / "a.mp4", [large] * slots[0] + [small] * slots[1])
    clip = read(reader, path)
    is_large = np.arange(sum(slots)) < slots[0]
    assert clip.slots == sum(slots)
    assert (clip.frames_present == (is_large if stays == "large" else ~is_large)).all()
    assert not clip.frames[~clip.frames_present].any() and not clip.points_px[~clip.frames_present].any()


def test_of_shots_the_one_with_the_larger_face_stays(reader):
    clip = read(reader, GOLDEN / "cuts.mp4")
    assert np.flatnonzero(clip.frames_present).tolist() == list(range(90, 150))
    assert clip.slots == 150 and clip.audio_present.sum() > 145


def test_slots_without_a_picture_are_absent(reader):
    clip = read(reader, GOLDEN / "variable_rate.webm")
    with open_media(GOLDEN / "variable_rate.webm") as media:
        seen = np.concatenate([chunk.present for chunk in media.video_chunks()])
    assert clip.slots >= len(seen) == 100
    present = clip.frames_present[:100]
    assert not (present & ~seen).any() and not clip.frames_present[100:].any()
    # Faces are looked for at every fifth slot: those since the last look before a hole are not believed.
    assert all(45 < slot < 50 for slot in np.flatnonzero(seen & ~present))
    assert seen.sum() == 61 and not clip.frames[:100][~present].any()


def test_pictures_are_in_the_order_of_showing(reader, tmp_path):
    picture, _ = placed(0.9, -60, -10)
    brightness = np.linspace(0.5, 1.0, 40)
    pictures = [(picture * share).astype(np.uint8) for share in brightness]
    clip = read(reader, write_pictures(tmp_path / "a.mp4", pictures))
    means = clip.frames.mean(axis=(1, 2, 3))
    assert clip.frames_present.all() and (np.diff(means) > 0).all()
    assert means / means[-1] == pytest.approx(brightness, abs=0.02)


def test_sound_alone_is_a_clip_without_picture(reader, tmp_path):
    said = talk(2.0)
    clip = read(reader, write_wav(tmp_path / "a.wav", said))
    assert clip.frames is None and clip.points_px is None and not clip.frames_present.any()
    assert clip.slots == 50 and clip.audio_present.all()
    assert clip.audio.dtype == np.float32 and clip.audio.shape == (50 * 640,)
    assert np.abs(clip.audio - said).max() < 1e-3


def test_another_rate_comes_onto_the_grid(reader, tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    clip = read(reader, write_wav(tmp_path / "a.wav", tone, rate_hz=44_100))
    assert clip.slots == 25 and len(clip.audio) == 16_000
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(clip.audio - expected)[200:-200].max() < 0.02


@pytest.mark.parametrize(("pictures", "sound_seconds"), [(25, 2.0), (50, 1.0)])
def test_the_longer_stream_decides_how_long_the_clip_is(reader, tmp_path, pictures, sound_seconds):
    sound = talk(sound_seconds)
    clip = read(reader, write_pictures(tmp_path / "a.mkv", [placed(0.9, -60, -10)[0]] * pictures, sound))
    assert clip.slots == 50 and len(clip.frames) == 50 and len(clip.audio) == 50 * 640
    assert np.flatnonzero(clip.frames_present).tolist() == list(range(pictures))
    assert np.flatnonzero(clip.audio_present).tolist() == list(range(round(25 * sound_seconds)))
    assert np.abs(clip.audio[: len(sound)] - sound).max() < 1e-3
    assert not clip.audio[len(sound) :].any() and not clip.frames[pictures:].any()


def test_a_clip_begins_where_both_streams_have_begun(reader, tmp_path):
    picture, sound, late_slots = placed(0.9, -60, -10)[0], talk(1.0), 10
    pictures = [picture] * 12 + [picture // 2] * 38
    clip = read(reader, write_pictures(tmp_path / "a.mkv", pictures, sound, first_sample=late_slots * 640))
    assert clip.slots == 40 and clip.frames_present.all()
    assert np.flatnonzero(clip.frames.mean(axis=(1, 2, 3)) > 100).tolist() == [0, 1]
    assert np.flatnonzero(clip.audio_present).tolist() == list(range(25))
    assert np.abs(clip.audio[: len(sound)] - sound).max() < 1e-3


def test_the_row_says_whose_it_is(reader):
    clip = read(reader, GOLDEN / "still.jpg")
    assert (clip.key, clip.identity, clip.source, clip.pair_id) == ("still.jpg", "eileen", "nasa.gov", "pair 7")
    assert clip.slots == 1 and clip.frames_present.all() and clip.audio is None


def test_one_file_leaves_nothing_behind_for_the_next(reader):
    before = read(reader, GOLDEN / "rotated.mp4")
    read(reader, GOLDEN / "several_faces.mp4")
    after = read(reader, GOLDEN / "rotated.mp4")
    assert np.array_equal(before.frames, after.frames) and np.array_equal(before.points_px, after.points_px)
    assert np.array_equal(before.audio, after.audio)


def damaged(folder: Path) -> Path:
    """Write the beginning of a clip, without the index that stands at its end."""
    path = folder / "damaged.mp4"
    path.write_bytes((GOLDEN / "talking.mp4").read_bytes()[:2000])
    return path


def test_what_cannot_be_a_clip_says_why_and_the_next_is_read(reader, tmp_path):
    with pytest.raises(DataError, match="no face found"):
        read(reader, GOLDEN / "no_face.mp4")
    with pytest.raises(MediaNotFoundError, match=r"missing\.mp4"):
        read(reader, tmp_path / "missing.mp4")
    with pytest.raises(MediaUnreadableError):
        read(reader, damaged(tmp_path))
    (tmp_path / "words.mp4").write_text("no film")
    with pytest.raises(MediaUnreadableError, match="plain text"):
        read(reader, tmp_path / "words.mp4")
    with pytest.raises(MediaUnreadableError, match="nothing of it decodes"):
        read(reader, write_wav(tmp_path / "empty.wav", np.zeros(0, np.float32)))
    assert read(reader, GOLDEN / "still.jpg").slots == 1


def test_a_face_of_one_picture_is_a_clip(reader, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), portrait()[:, :, ::-1])
    clip = read(reader, tmp_path / "a.png")
    assert clip.slots == 1 and clip.frames_present.all()
