# SPDX-License-Identifier: Apache-2.0
"""Random degradation that genuine and forged clips go through alike, and the crop to the model's size."""

from cad.data.augment.augmenting import AugmentOptions, augment, augment_clip
from cad.data.augment.crop import CropMove, cropped, draw_crop_move

__all__ = ["AugmentOptions", "CropMove", "augment", "augment_clip", "cropped", "draw_crop_move"]
