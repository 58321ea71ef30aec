# SPDX-License-Identifier: Apache-2.0
"""Stored crops as JPEG pictures that open one by one: a twelfth of the bytes, and only frames in use are decoded.

The black outside of the source picture stays exactly black, for forging and augmentation look for it: with each picture
that has some goes a mask of one bit a pixel (PNG), and no pixel becomes black besides. Every clip is coded alike,
whatever its label.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.records import STORED_CROP_SIZE_PX
from cad.errors import DataError

#: JPEG quality, at full resolution of colour; docs/shards.md has what it costs, beside other codings.
QUALITY = 90
_JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
)
_PNG = (cv2.IMWRITE_PNG_BILEVEL, 1)
#: A black area that this square does not fit into is dark pixels rather than the outside of a picture.
_SQUARE = np.ones((3, 3), np.uint8)


class CodedCrops:
    """Coded crops that read like an array uint8 (slots, 192, 192, 3); indexing decodes the slots that are asked for.

    Args:
        pictures: The JPEG files of all slots, one after another; an absent slot has none and reads as black.
        masks: The PNG files, likewise; a slot without outside has none.
        sizes: int (slots, 2) bytes of each slot's picture and mask; 0 where there is none.
        name: Whose crops they are, for messages.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, pictures: NDArray[np.uint8], masks: NDArray[np.uint8], sizes: NDArray[np.integer], name: str = ""
    ) -> None:
        stops = np.cumsum(sizes, axis=0, dtype=np.int64)
        self._pictures, self._masks, self._name = pictures, masks, name
        self._spans = np.stack([stops - sizes, stops], axis=-1)

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array that these crops read as."""
        return len(self), STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX, 3

    def slots(self, start: int, stop: int) -> CodedCrops:
        """Return the crops of slots [start, stop), still coded."""
        part = CodedCrops.__new__(CodedCrops)
        part._pictures, part._masks, part._name = self._pictures, self._masks, self._name
        part._spans = self._spans[start:stop]
        return part

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """Return what an array would; everything that is not the first axis is done on decoded crops.

        Raises:
            DataError: A picture is damaged.
        """
        if isinstance(index, tuple):
            return np.asarray(self)[index]
        spans = self._spans[index]
        crops = np.zeros((*spans.shape[:-2], *self.shape[1:]), np.uint8)
        for crop, (picture, mask) in zip(crops.reshape(-1, *self.shape[1:]), spans.reshape(-1, 2, 2), strict=True):
            if picture[1] > picture[0]:
                self._decode(picture, mask, crop)
        return crops

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[slot] for slot in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def copy(self) -> NDArray[np.uint8]:
        """Return all of it, decoded."""
        return self[:]

    def _decode(self, picture: NDArray[np.int64], mask: NDArray[np.int64], crop: NDArray[np.uint8]) -> None:
        """Fill ``crop`` with a slot's picture."""
        seen = self._opened(self._pictures, picture, cv2.IMREAD_COLOR)
        cv2.cvtColor(seen, cv2.COLOR_BGR2RGB, dst=crop)
        black = _black_in(crop)
        if mask[1] > mask[0]:
            outside = self._opened(self._masks, mask, cv2.IMREAD_GRAYSCALE)
            crop[outside > 0] = 0
            black[outside > 0] = 0
        if black.any():
            crop[black > 0] = 1

    def _opened(self, files: NDArray[np.uint8], span: NDArray[np.int64], how: int) -> NDArray[np.uint8]:
        opened: Any = cv2.imdecode(files[span[0] : span[1]], how) if span[1] <= len(files) else None
        if opened is None or opened.shape[:2] != self.shape[1:3]:
            raise DataError(f"{self._name}: a stored crop is damaged")
        return np.asarray(opened, np.uint8)


def code_crops(frames: NDArray[np.uint8], present: NDArray[np.bool_]) -> tuple[bytes, bytes, NDArray[np.int32]]:
    """Return the pictures, masks and sizes that ``CodedCrops`` reads.

    Args:
        frames: uint8 (slots, 192, 192, 3) RGB.
        present: bool (slots,); other slots are not stored.

    Example:
        >>> frames = np.full((3, 192, 192, 3), 90, np.uint8)
        >>> pictures, masks, sizes = code_crops(frames, np.array([True, True, False]))
        >>> CodedCrops(np.frombuffer(pictures, np.uint8), np.frombuffer(masks, np.uint8), sizes)[1:].max(axis=(1, 2, 3))
        array([90,  0], dtype=uint8)
    """
    pictures, masks, sizes = bytearray(), bytearray(), np.zeros((len(frames), 2), np.int32)
    for slot in np.flatnonzero(present):
        picture = cv2.imencode(".jpg", cv2.cvtColor(frames[slot], cv2.COLOR_RGB2BGR), _JPEG)[1]
        pictures += picture.tobytes()
        outside = cv2.morphologyEx(_black_in(frames[slot]), cv2.MORPH_OPEN, _SQUARE)
        mask = cv2.imencode(".png", outside, _PNG)[1].tobytes() if outside.any() else b""
        masks += mask
        sizes[slot] = len(picture), len(mask)
    return bytes(pictures), bytes(masks), sizes


def _black_in(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.inRange(crop, (0, 0, 0), (0, 0, 0)), np.uint8)
