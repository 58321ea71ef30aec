# SPDX-License-Identifier: Apache-2.0
"""``PictureBatches`` gives the fit of the picture's large judge its batches: as many genuine crops as forged ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cad.data.augment import AugmentOptions, augment_clip
from cad.data.records import Clip
from cad.data.shards import ClipStore
from cad.errors import OptionError
from cad.training.picture_faces import FaceDraw
from cad.training.picture_forging import TWIN_WEIGHTS, forged_twin, one_crop

#: What both classes go through: one frame has no rate, and a JPEG file takes the place of the video codecs.
TREATMENTS = AugmentOptions(slow=0.0, video_codec=0.0, second_video_codec=0.0)
#: How often a crop is a JPEG file, and of which quality.
JPEG_SHARE, JPEG_QUALITIES = 0.7, (35, 96)
_BLOCK_PX = 8


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Single crops.

    Attributes:
        crops: uint8 (crops, 160, 160, 3).
        label: float32 (crops,) 1 forged, 0 genuine.
        source: int64 (crops,) number of the source that each is from, the same for a crop and its twin.
        source_names: Their names, (crops,).
    """

    crops: Tensor
    label: Tensor
    source: Tensor
    source_names: tuple[str, ...] = ()

    def to(self, device: torch.device) -> CropBatch:
        """Return the batch on a device."""
        return CropBatch(self.crops.to(device), self.label.to(device), self.source.to(device), self.source_names)


class PictureBatches(Dataset[CropBatch]):
    """Batches by number; batch n depends on the seed and n alone.

    Beside every genuine crop stands a forged one: for every second of them a forged row's, for the others the same
    genuine crop, forged on the spot. Without forged rows all are such twins.

    Args:
        store: Where the clips are.
        draw: Gives rows.
        size: Crops in a batch, even.
        seed: Of the draws.
        same_source: Draw the genuine crop beside a forged row from the same source where that has some.
        weights: Likelihood of each kind of forgery.

    Raises:
        OptionError: The size is odd or below 2.
    """

    def __init__(
        self,
        store: ClipStore,
        draw: FaceDraw,
        size: int,
        seed: int,
        same_source: bool = False,
        weights: Mapping[str, float] = TWIN_WEIGHTS,
    ) -> None:
        if size < 2 or size % 2:
            raise OptionError(f"a batch needs an even number of crops, got {size}")
        self._store, self._draw, self._size, self._seed = store, draw, size, seed
        self._same_source, self._weights = same_source, weights

    def __getitem__(self, number: int) -> CropBatch:
        rng = np.random.default_rng([self._seed, number])
        crops, labels, names = [], [], []
        for pair in range(self.pairs):
            for clip, label, source in self._pair(pair, rng):
                crops.append(treated(clip, rng))
                labels.append(label)
                names.append(source)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return CropBatch(
            torch.from_numpy(np.stack(crops)),
            torch.tensor(labels, dtype=torch.float32),
            torch.tensor([numbers[name] for name in names]),
            tuple(names),
        )

    @property
    def pairs(self) -> int:
        """Pairs in a batch; the crops of a pair follow each other."""
        return self._size // 2

    def _pair(self, pair: int, rng: np.random.Generator) -> list[tuple[Clip, float, str]]:
        row = self._draw.forged(rng) if self._draw.has_forged and pair % 2 == 0 else None
        beside = row if self._same_source else None
        genuine = self._draw.genuine(rng) if beside is None else self._draw.genuine_beside(beside, rng)
        slot = int(rng.choice(genuine.slots))
        shown = (one_crop(self._store, genuine, slot), 0.0, genuine.row.source)
        if row is None:
            twin, _ = forged_twin(self._store, self._draw, genuine, slot, rng, self._weights)
            return [shown, (twin, 1.0, genuine.row.source)]
        return [shown, (one_crop(self._store, row, int(rng.choice(row.slots))), 1.0, row.row.source)]


def treated(clip: Clip, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a stored crop as the net sees it in training, uint8 (160, 160, 3); both classes are treated alike."""
    frames = augment_clip(clip, rng, TREATMENTS).frames
    assert frames is not None
    crop: NDArray[np.uint8] = frames[0]
    if rng.random() < JPEG_SHARE:
        # A file's blocks lie anywhere in a face that was cut out of it.
        down, right = rng.integers(0, _BLOCK_PX, 2)
        padded = cv2.copyMakeBorder(crop, int(down), 0, int(right), 0, cv2.BORDER_REPLICATE)
        quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(rng.integers(*JPEG_QUALITIES))]
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(padded, cv2.COLOR_RGB2BGR), quality)
        opened = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert opened is not None
        opened = cv2.cvtColor(opened, cv2.COLOR_BGR2RGB)
        crop = np.ascontiguousarray(opened[down:, right:], dtype=np.uint8)
    return crop
