# SPDX-License-Identifier: Apache-2.0
"""Stored crops as JPEG pictures that open one by one: a twelfth of the bytes, and only frames in use are decoded.

The black outside of the source picture stays exactly black, for forging and augmentation look for it: with each picture
that has some goes a mask of one bit a pixel (PNG), and all other values are at least 1. Every clip is coded alike,
whatever its label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

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
_PNG = (cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9)
#: A black area that this square does not fit into is dark pixels rather than the outside of a picture.
_SQUARE = np.ones((3, 3), np.uint8)
_BLACK = np.zeros((STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX, 3), np.uint8)
_NEARLY_BLACK = _BLACK + np.uint8(1)


class CropFiles(NamedTuple):
    """The files of coded crops, as a shard holds them.

    Attributes:
        pictures: The JPEG files of all slots, one after another; an absent slot has none.
        masks: The PNG files, likewise; a slot without outside has none.
        sizes: int32 (slots, 2) bytes of each slot's picture and mask; 0 where there is none.
    """

    pictures: bytes
    masks: bytes
    sizes: NDArray[np.int32]


class CodedCrops:
    """Coded crops that read like an array uint8 (slots, 192, 192, 3); indexing decodes the slots that are asked for.

    Args:
        pictures: uint8, the bytes of ``CropFiles``.
        masks: Likewise.
        sizes: As there.
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

    @classmethod
    def joined(cls, pieces: Iterable[tuple[int, CodedCrops]], slots: int, name: str = "") -> CodedCrops:
        """Return ``slots`` slots of crops of pieces that are in order, each with its first slot; others are absent."""
        pictures, masks, sizes = bytearray(), bytearray(), np.zeros((slots, 2), np.int32)
        for first_slot, piece in pieces:
            files = piece.files()
            pictures += files.pictures
            masks += files.masks
            sizes[first_slot : first_slot + len(piece)] = files.sizes
        return cls(np.frombuffer(pictures, np.uint8), np.frombuffer(masks, np.uint8), sizes, name)

    def files(self) -> CropFiles:
        """Return the files of these slots and no others, as they would be stored."""
        (first_picture, first_mask), (last_picture, last_mask) = self._spans[0, :, 0], self._spans[-1, :, 1]
        return CropFiles(
            self._pictures[first_picture:last_picture].tobytes(),
            self._masks[first_mask:last_mask].tobytes(),
            np.diff(self._spans, axis=2)[:, :, 0].astype(np.int32),
        )

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
        # Plain numbers, since arrays are slow to take apart one by one.
        places: list[list[int]] = spans.reshape(-1, 4).tolist()
        for crop, (start, stop, mask_start, mask_stop) in zip(crops.reshape(-1, *self.shape[1:]), places, strict=True):
            if start < stop:
                self._decode(start, stop, mask_start, mask_stop, crop)
        return crops

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[slot] for slot in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def copy(self) -> NDArray[np.uint8]:
        """Return all of it, decoded."""
        return self[:]

    def _decode(self, start: int, stop: int, mask_start: int, mask_stop: int, crop: NDArray[np.uint8]) -> None:
        """Fill ``crop`` with the picture and the mask of a slot."""
        cv2.cvtColor(self._opened(self._pictures, start, stop, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB, dst=crop)
        cv2.max(crop, _NEARLY_BLACK, dst=crop)
        if mask_start < mask_stop:
            cv2.copyTo(_BLACK, self._opened(self._masks, mask_start, mask_stop, cv2.IMREAD_GRAYSCALE), crop)

    def _opened(self, files: NDArray[np.uint8], start: int, stop: int, how: int) -> NDArray[np.uint8]:
        opened: Any = cv2.imdecode(files[start:stop], how) if stop <= len(files) else None
        if opened is None or opened.shape[:2] != self.shape[1:3]:
            raise DataError(f"{self._name}: a stored crop is damaged")
        return np.asarray(opened, np.uint8)


def code_crops(frames: NDArray[np.uint8], present: NDArray[np.bool_]) -> CodedCrops:
    """Return ``frames`` coded.

    Args:
        frames: uint8 (slots, 192, 192, 3) RGB.
        present: bool (slots,); other slots are not kept and read as black.

    Example:
        >>> frames = np.full((3, 192, 192, 3), 90, np.uint8)
        >>> code_crops(frames, np.array([True, True, False]))[1:].max(axis=(1, 2, 3))
        array([90,  0], dtype=uint8)
    """
    pictures, masks, sizes = bytearray(), bytearray(), np.zeros((len(frames), 2), np.int32)
    for slot in np.flatnonzero(present):
        picture = cv2.imencode(".jpg", cv2.cvtColor(frames[slot], cv2.COLOR_RGB2BGR), _JPEG)[1]
        outside = cv2.morphologyEx(cv2.inRange(frames[slot], (0, 0, 0), (0, 0, 0)), cv2.MORPH_OPEN, _SQUARE)
        mask = cv2.imencode(".png", outside, _PNG)[1].tobytes() if outside.any() else b""
        pictures += picture.tobytes()
        masks += mask
        sizes[slot] = len(picture), len(mask)
    return CodedCrops(np.frombuffer(pictures, np.uint8), np.frombuffer(masks, np.uint8), sizes)


def as_frames(crops: CodedCrops) -> NDArray[np.uint8]:
    """Return ``crops`` typed as the array that they read as: whoever holds a clip indexes its frames before use."""
    return cast("NDArray[np.uint8]", crops)
