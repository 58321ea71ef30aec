# SPDX-License-Identifier: Apache-2.0
"""Stills for a calibration: frames cut out of clips of either class alike, and pictures compressed once more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_media import DARK, RED, talk, write_video, write_wav

from cad.data.manifest import Row, frame_of, read_manifest, write_manifest
from cad.errors import CadError
from cad.evaluation.calibration.clips import reencoded_part
from cad.evaluation.calibration.stills import cut_still, moment_of, recompress, still_part
from cad.evaluation.part import Part
from cad.media.reader import open_media
from cad.media.records import MediaKind


def test_the_middle_frame_or_that_of_a_moment_is_cut_as_a_jpeg(tmp_path):
    clip = tmp_path / "clip.mp4"
    write_video(clip, 1.0, RED, talk(1.0))
    still = cut_still(clip, tmp_path / "out" / "clip")
    assert still.name == "clip.jpg" and still.read_bytes()[:2] == b"\xff\xd8"
    picture = cv2.imread(str(still))
    assert picture[..., 2].mean() > picture[..., 0].mean() + 50
    assert np.array_equal(cv2.imread(str(cut_still(clip, tmp_path / "late", moment=0.8))), picture)
    with pytest.raises(CadError):
        cut_still(write_wav(tmp_path / "s.wav", talk(1.0)), tmp_path / "none")


def test_a_forged_moment_is_taken_where_it_is_known():
    fake = {"label": 1, "video_fake_segments": ((2.0, 3.0),), "fake_segments": ((0.0, 1.0),)}
    assert moment_of(fake) == 2.5 and moment_of({**fake, "video_fake_segments": ()}) == 0.5
    assert moment_of({**fake, "label": 0}) is None
    assert moment_of({**fake, "video_fake_segments": (), "fake_segments": ()}) is None


def test_frames_are_of_both_classes_by_what_is_said_of_the_picture(tmp_path):
    rows = [
        Row("a.mp4", 1, 1, 0, identity="a", split="val"), Row("b.mp4", 1, 0, 1, identity="b", split="val"),
        Row("c.mp4", 0, 0, 0, identity="c", split="val"), Row("d.mp4", 1, -1, 1, identity="d", split="val"),
        Row("e.wav", 0, -1, 0, identity="e", split="val"), Row("f.jpg", 0, 0, -1, identity="f", split="val"),
        Row("g.mp4", 1, 1, 1, identity="g", split="train"),
    ]  # fmt: skip
    write_manifest(frame_of(rows), tmp_path / "manifest.csv")
    manifest = read_manifest(tmp_path / "manifest.csv")
    part = still_part(manifest, "val", 9)
    # A forged voice over a genuine picture leaves a genuine still.
    assert dict(zip(part.rows["path"], part.rows["label"], strict=True)) == {
        "a.mp4#still": 1, "b.mp4#still": 0, "c.mp4#still": 0,
    }  # fmt: skip
    assert set(part.rows["audio_fake"]) == {-1} and set(part.makes) == set(part.rows["path"])
    assert len(still_part(manifest, "val", 1).rows) == 2 and len(still_part(manifest, "val", 0).rows) == 0


def test_the_copy_of_a_picture_is_a_picture(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), np.full((120, 160, 3), DARK, np.uint8))
    copy = recompress(tmp_path / "x.png", tmp_path / "made" / "x")
    with open_media(copy) as source:
        assert source.info.kind is MediaKind.IMAGE
    rows = frame_of([Row("x.png", 0, 0, -1), Row("y.mp4", 0, 0, 0)])
    part = reencoded_part(Part("plain", rows, tmp_path))
    with part.file_of("x.png#copy", tmp_path / "again") as made:
        assert made.suffix == ".jpg" and made.is_file()
