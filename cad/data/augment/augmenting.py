# SPDX-License-Identifier: Apache-2.0
"""``augment`` turns a stored clip into a model input for training, in the same way for genuine and forged clips.

The treatments take a Clip, not a LabeledClip: they never see the label, so they cannot depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.augment import picture, sound
from cad.data.augment.audio_codec import coded_audio, draw_audio_coding
from cad.data.augment.crop import cropped, cropped_masks, draw_crop_move
from cad.data.augment.outside import blacken, draw_outside, outside_of
from cad.data.augment.video_codec import coded_video, draw_video_coding
from cad.data.records import Clip, LabeledClip
from cad.faces.records import CROP_SIZE_PX


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How often each treatment is applied; all in [0, 1].

    Attributes:
        colour: Exposure, contrast, gamma, hue, saturation.
        grey: No colour.
        blur: Out of focus, or smeared.
        sharpen: Raised edges.
        picture_noise: Sensor noise.
        rescale: A source of lower (or slightly higher) resolution.
        slow: A source of fewer frames a second.
        video_codec: H.264, MPEG-4, MPEG-1 or VP9.
        second_video_codec: Once more, as re-uploading does.
        move: Shift, zoom, rotation, mirror of the crop.
        end_of_picture: The source picture ends within the crop.
        reverb: A room.
        equalise: Smooth random frequency response.
        band_limit: Low or high end missing.
        other_rate: Through another sampling rate.
        sound_noise: White to brown noise, at 0 to 40 dB.
        clip: Peaks cut off.
        audio_codec: AAC, MP3, Opus, AC-3, G.711 or G.722.
        offset: A constant added to all samples.
    """

    colour: float = 0.7
    grey: float = 0.05
    blur: float = 0.2
    sharpen: float = 0.12
    picture_noise: float = 0.25
    rescale: float = 0.6
    slow: float = 0.1
    video_codec: float = 0.65
    second_video_codec: float = 0.08
    move: float = 0.9
    end_of_picture: float = 0.15
    reverb: float = 0.2
    equalise: float = 0.4
    band_limit: float = 0.25
    other_rate: float = 0.3
    sound_noise: float = 0.5
    clip: float = 0.08
    audio_codec: float = 0.4
    offset: float = 0.1


def augment(labeled: LabeledClip, rng: np.random.Generator, options: AugmentOptions | None = None) -> LabeledClip:
    """Return ``labeled`` with its clip treated and cropped to 160 px; labels and length stay as they are."""
    return replace(labeled, clip=augment_clip(labeled.clip, rng, options))


def augment_clip(clip: Clip, rng: np.random.Generator, options: AugmentOptions | None = None) -> Clip:
    """Return ``clip`` after random degradation, with frames of 160 px and the points in them.

    Nothing moves in time: lips and sound stay together to within 1 ms.

    Args:
        clip: A clip with stored crops of 192 px, or sound alone, or picture alone.
        rng: Source of chance; the same state gives the same result.
        options: How often each treatment is applied.
    """
    options = options or AugmentOptions()
    # One child for each stream: what happens to the picture does not depend on whether there is sound.
    picture_rng, sound_rng = rng.spawn(2)
    treated = clip
    if clip.frames is not None:
        treated = _seen(clip, clip.frames, picture_rng, options)
    if clip.audio is not None:
        heard = _heard(clip.audio, sound_rng, options)
        heard = np.where(np.repeat(clip.audio_present, SAMPLES_PER_FRAME), heard, np.float32(0))
        treated = replace(treated, audio=heard.astype(np.float32, copy=False))
    return treated


def _seen(clip: Clip, frames: NDArray[np.uint8], rng: np.random.Generator, options: AugmentOptions) -> Clip:
    pictures = _without_gaps(frames, clip.frames_present)
    outside = outside_of(pictures)
    for share, treated in (
        (options.slow, picture.slower),
        (options.colour, picture.with_random_colour),
        (options.grey, lambda shown, _: picture.grey(shown)),
        (options.rescale, picture.rescaled),
        (options.blur, picture.blurred),
        (options.picture_noise, picture.noisy),
        (options.sharpen, lambda shown, rng: picture.sharpened(shown, rng.uniform(0.2, 0.8))),
    ):
        if rng.random() < share:
            pictures = treated(pictures, rng)
    if rng.random() < options.video_codec:
        pictures = coded_video(pictures, draw_video_coding(rng))
        if rng.random() < options.second_video_codec:
            pictures = coded_video(pictures, draw_video_coding(rng))
    move = draw_crop_move(rng) if rng.random() < options.move else None
    moved = cropped(clip, move, pictures)
    assert moved.frames is not None
    if outside is not None:  # codecs and colours have touched it
        blacken(moved.frames, cropped_masks(outside, move))
    if rng.random() < options.end_of_picture:
        moved.frames[:, draw_outside(CROP_SIZE_PX, rng) > 0] = 0
    if not clip.frames_present.all():
        moved.frames[~clip.frames_present] = 0
    return moved


def _without_gaps(frames: NDArray[np.uint8], present: NDArray[np.bool_]) -> NDArray[np.uint8]:
    # A codec would smear a missing (black) frame over its neighbours; the last seen one takes its place meanwhile.
    if present.all() or not present.any():
        return frames
    last_seen = np.maximum.accumulate(np.where(present, np.arange(len(present)), -1))
    return frames[np.where(last_seen < 0, int(np.argmax(present)), last_seen)]


def _heard(audio: NDArray[np.float32], rng: np.random.Generator, options: AugmentOptions) -> NDArray[np.float32]:
    heard = audio
    for share, treated in (
        (options.reverb, sound.reverberant),
        (options.sound_noise, sound.noisy),
        (options.equalise, sound.equalised),
        (options.band_limit, sound.band_limited),
        (options.other_rate, sound.through_other_rate),
        (options.clip, sound.clipped),
    ):
        if rng.random() < share:
            heard = treated(heard, rng)
    heard = sound.at_level(heard, rng.uniform(-35, -12))
    if rng.random() < options.audio_codec:
        heard = coded_audio(heard, draw_audio_coding(rng))
    if rng.random() < options.offset:
        heard = heard + np.float32(rng.uniform(-0.01, 0.01))
    return _dithered(heard, rng)


def _dithered(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    # Noise far below hearing in every clip: digital silence, which splices and engines leave, tells nothing then.
    floor = np.float32(10 ** (rng.uniform(-85, -62) / 20))
    return np.clip(audio + floor * rng.standard_normal(len(audio), dtype=np.float32), -1, 1)
