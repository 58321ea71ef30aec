# SPDX-License-Identifier: Apache-2.0
"""Gives a calibration its stills: pictures re-encoded, and single frames cut out of forged and genuine clips.

A frame of a video is no photograph. So that it does not pass for one, both classes are cut alike (one frame a clip, of
the same moment, at the same quality), forged frames are never held against photographs alone, and thresholds hold on
photographs and on frames each by itself (``cad.evaluation.calibration.by_domain``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Manifest
from cad.errors import DataError
from cad.evaluation.part import Part
from cad.evaluation.perturb.source import clip_info, read_pictures
from cad.evaluation.row_views import domains_of, sample_rows

if TYPE_CHECKING:
    import pandas as pd

#: Of frames that are cut out, as a player's or a phone's screen capture has it.
CUT_QUALITY = 92
#: Of copies of pictures, as platforms make them.
COPY_QUALITY = 60
#: What the rows of either kind are called where a threshold must hold on each.
PICTURES, FRAMES = "pictures", "frames cut out of clips"


def still_part(manifest: Manifest, split: str, clips: int) -> Part:
    """Return frames of at most ``clips`` clips of each class, by what is said of their picture; 0 cuts none."""
    rows = manifest.select(split or None).rows
    chosen = (domains_of(rows) == "talking_head") & (rows["video_fake"] >= 0).to_numpy() & (clips > 0)
    # What is false in the sound, or in synchrony, is no longer there in a still.
    own = rows[chosen].assign(label=rows["video_fake"][chosen], audio_fake=-1)
    own = sample_rows(own, clips, seed=0).reset_index(drop=True)
    makes = {
        f"{row['path']}#still": partial(cut_still, manifest.file(row["path"]), moment=moment_of(row))
        for row in own.to_dict("records")
    }
    return Part("stills", own.assign(path=list(makes)), manifest.root, makes)


def moment_of(row: Mapping[str, Any]) -> float | None:
    """Return a moment in seconds at which a forged picture is forged; None where the middle of the clip will do."""
    stretches = [*row["video_fake_segments"], *row["fake_segments"]] if row["label"] == 1 else []
    return sum(stretches[0]) / 2 if stretches else None


def cut_still(source: Path, target: Path, moment: float | None = None) -> Path:
    """Write the frame of a clip that is shown at a moment (None: the middle one) as JPEG, and return where it lies.

    Raises:
        DataError: The clip has no picture.
        MediaUnreadableError: It cannot be opened.
    """
    info = clip_info(source)
    seconds = [picture.seconds for picture in read_pictures(source, info)]
    if not seconds:
        raise DataError(f"{source}: no picture to cut a still out of")
    wanted = len(seconds) // 2 if moment is None else int(np.argmin(np.abs(np.array(seconds) - moment)))
    # Read twice: all frames of a clip of 1440 lines would take a gigabyte.
    pixels = next(one.pixels for number, one in enumerate(read_pictures(source, info)) if number == wanted)
    return _write_jpeg(pixels, target, CUT_QUALITY)


def recompress(source: Path, target: Path) -> Path:
    """Write a picture as the JPEG that a platform would make of it, and return where it lies.

    Raises:
        DataError: There is no picture in it.
        MediaUnreadableError: It cannot be opened.
    """
    picture = next(read_pictures(source, clip_info(source)), None)
    if picture is None:
        raise DataError(f"{source}: no picture to compress")
    return _write_jpeg(picture.pixels, target, COPY_QUALITY)


def is_picture(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows of a manifest are pictures."""
    return np.asarray(domains_of(rows) == "still", dtype=np.bool_)


def _write_jpeg(pixels: NDArray[np.uint8], target: Path, quality: int) -> Path:
    place = target.parent / f"{target.name}.jpg"
    place.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    place.write_bytes(encoded.tobytes())
    return place
