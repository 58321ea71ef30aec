# SPDX-License-Identifier: Apache-2.0
"""Augmentation: random degradation of genuine and forged clips alike, and the crop to the model's size."""

from cad.data.augment.augmenting import AugmentOptions, augment, augment_clip
from cad.data.augment.crop import CropMove, cropped, draw_crop_move
from cad.data.augment.shortcuts import Shortcut, clip_statistics, shortcut_check

__all__ = [
    "AugmentOptions",
    "CropMove",
    "Shortcut",
    "augment",
    "augment_clip",
    "clip_statistics",
    "cropped",
    "draw_crop_move",
    "shortcut_check",
]
