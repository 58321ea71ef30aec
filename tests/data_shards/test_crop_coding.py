# SPDX-License-Identifier: Apache-2.0
"""Coded crops read like the array that they were made of, nearly so in colour and exactly so in what is black."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cad.data.augment.outside import outside_of
from cad.data.crop_coding import CodedCrops, code_crops
from cad.errors import DataError


def pictures(rng: np.random.Generator, slots: int = 6) -> np.ndarray:
    """Return smooth coloured frames with a little noise, uint8 (slots, 192, 192, 3), none of them black anywhere."""
    coarse = rng.integers(40, 216, (slots, 8, 8, 3)).astype(np.uint8)
    smooth = np.stack([cv2.resize(frame, (192, 192), interpolation=cv2.INTER_CUBIC) for frame in coarse])
    return np.clip(smooth + rng.normal(0, 2, smooth.shape), 10, 255).astype(np.uint8)


def psnr_db(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((first.astype(np.float64) - second) ** 2).mean()))


def test_every_way_of_indexing_gives_what_the_array_would(rng: np.random.Generator) -> None:
    frames = pictures(rng)
    present = np.array([True, True, False, True, True, False])
    coded = code_crops(frames, present)
    whole = np.asarray(coded)
    assert len(coded) == 6 and coded.shape == whole.shape == frames.shape and whole.dtype == coded.dtype == np.uint8
    assert not whole[~present].any() and whole[present].reshape(4, -1).any(axis=1).all()
    for index in (
        2,
        -1,
        slice(1, 4),
        slice(None, None, 2),
        present,
        [4, 0],
        np.array([], int),
        (slice(0, 2), slice(9, 20)),
    ):
        np.testing.assert_array_equal(coded[index], whole[index])
    np.testing.assert_array_equal(np.stack(list(coded)), whole)
    np.testing.assert_array_equal(coded.copy(), whole)
    np.testing.assert_array_equal(coded.slots(1, 5)[1:], whole[2:5])
    with pytest.raises(IndexError):
        coded[6]


def test_little_is_lost_and_much_is_saved(rng: np.random.Generator) -> None:
    frames = pictures(rng)
    coded = code_crops(frames, np.ones(6, bool))
    assert psnr_db(np.asarray(coded), frames) > 40
    # Red edges on blue: subsampled colour would smear them.
    edges = np.zeros((1, 192, 192, 3), np.uint8)
    edges[..., 2] = 200
    edges[:, :, ::2] = (200, 0, 0)
    assert psnr_db(np.asarray(code_crops(edges, np.ones(1, bool))), edges) > 30
    assert len(coded.files().pictures) < frames.nbytes / 8


def test_the_outside_of_the_picture_stays_black_and_nothing_else_becomes_so(rng: np.random.Generator) -> None:
    frames = pictures(rng)
    corner = np.zeros((192, 192), np.uint8)
    cv2.fillConvexPoly(corner, np.array([[0, 0], [90, 0], [30, 191], [0, 191]]), 255)
    frames[:4, corner > 0] = 0
    # Nearly black areas and single black pixels are no outside.
    frames[:, 100:140, 100:140] = 1
    frames[:, 60:90:4, 150] = 0
    coded = np.asarray(code_crops(frames, np.ones(6, bool)))
    black = (coded == 0).all(axis=3)
    assert black[:4][:, corner > 0].all() and not black[:4][:, corner == 0].any() and not black[4:].any()
    np.testing.assert_array_equal(outside_of(coded), outside_of(frames))


def test_pieces_are_joined_and_cut_without_being_coded_again(rng: np.random.Generator) -> None:
    frames = pictures(rng)
    frames[:, :30] = 0
    first, second = code_crops(frames[:2], np.ones(2, bool)), code_crops(frames[2:], np.ones(4, bool))
    joined = CodedCrops.joined([(1, first), (5, second)], slots=10)
    np.testing.assert_array_equal(np.asarray(joined)[1:3], np.asarray(first))
    np.testing.assert_array_equal(np.asarray(joined)[5:9], np.asarray(second))
    assert not joined[[0, 3, 4, 9]].any()
    assert joined.slots(5, 9).files().pictures == second.files().pictures
    assert joined.slots(3, 5).files().pictures == b""


@pytest.mark.parametrize("where", ["pictures", "masks"])
def test_damage_is_named(rng: np.random.Generator, where: str) -> None:
    frames = pictures(rng, 1)
    frames[:, :30] = 0
    files = code_crops(frames, np.ones(1, bool)).files()
    damaged = files._replace(**{where: b"x" * len(getattr(files, where))})
    crops = CodedCrops(*(np.frombuffer(data, np.uint8) for data in damaged[:2]), files.sizes, "a.tar: b.mp4")
    with pytest.raises(DataError, match=r"a\.tar: b\.mp4: a stored crop is damaged"):
        crops[0]
    short = CodedCrops(np.zeros(3, np.uint8), np.zeros(0, np.uint8), files.sizes, "b.mp4")
    with pytest.raises(DataError, match="damaged"):
        short[:]
