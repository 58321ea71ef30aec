# SPDX-License-Identifier: Apache-2.0
"""Chooses for reports and protocols which rows are scored, and which rows and labels judge which stream."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd

#: Files that hold sound alone.
SOUND_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a", ".aac")
#: Files that hold one picture.
PICTURE_SUFFIXES = (
    ".avif",
    ".bmp",
    ".heic",
    ".heif",
    ".jfif",
    ".jpeg",
    ".jpg",
    ".jxl",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)


@dataclass(frozen=True, slots=True)
class View:
    """Some rows, the score that is judged on them and the truth.

    Attributes:
        name: What the table calls it.
        head: Whose score: ``file`` for the product's answer, else a head.
        mask: bool (rows,) which rows belong to it.
        labels: int (rows,) 1 fake, 0 real; meaningless outside the mask.
    """

    name: str
    head: str
    mask: NDArray[np.bool_]
    labels: NDArray[np.int8]


def views_of(rows: pd.DataFrame) -> list[View]:
    """Return the views of a manifest's rows; those without a row are left out.

    The label judges the file's answer and the fused head; ``video_fake`` judges the video head and ``audio_fake`` the
    audio head, on rows that state them. The label also judges whether the sync head's evidence separates forged from
    genuine clips at all; the protocol ``desync`` measures whether it notices a shift.
    """
    label = rows["label"].to_numpy(dtype=np.int8)
    video, audio = rows["video_fake"].to_numpy(dtype=np.int8), rows["audio_fake"].to_numpy(dtype=np.int8)
    picture = has_picture(rows)
    every = np.ones(len(rows), dtype=bool)
    views = [
        View("file", "file", every, label),
        View("file, with picture", "file", picture, label),
        View("file, sound alone", "file", ~picture, label),
        View("fused head", "fused", picture, label),
        View("video head", "video", picture & (video >= 0), video),
        View("audio head", "audio", audio >= 0, audio),
        View("audio head, with picture", "audio", picture & (audio >= 0), audio),
        View("audio head, sound alone", "audio", ~picture & (audio >= 0), audio),
        View("sync head", "sync", picture, label),
    ]
    mixed = bool(picture.any()) and not bool(picture.all())
    # Where all rows are of one kind the parts would only repeat the whole.
    return [view for view in views if view.mask.any() and (mixed or "," not in view.name)]


def has_picture(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows have a picture, judged by what the manifest says and by the file's suffix."""
    sound = rows["path"].str.lower().str.endswith(SOUND_SUFFIXES).to_numpy(dtype=bool)
    stated = rows["video_fake"].to_numpy(dtype=np.int8) >= 0
    result: NDArray[np.bool_] = stated | ~sound
    return result


def domains_of(rows: pd.DataFrame) -> NDArray[np.object_]:
    """Return which kind of file each row is, one of ``cad.spec.DOMAINS``, judged as ``has_picture`` does.

    What a protocol makes of a clip (``clip.mp4#copy``) is of the clip's kind.
    """
    names = rows["path"].str.lower().str.partition("#")[0]
    picture = has_picture(rows.assign(path=names))
    still = names.str.endswith(PICTURE_SUFFIXES).to_numpy(dtype=bool)
    found = np.where(picture, np.where(still, "still", "talking_head"), "recording")
    return found.astype(object)


def sample_rows(rows: pd.DataFrame, clips: int, seed: int) -> pd.DataFrame:
    """Return at most ``clips`` rows of each class, spread over identities, the same ones for every detector."""
    if not clips:
        return rows
    order = np.array([zlib.crc32(f"{seed}:{path}".encode()) for path in rows["path"]])
    shuffled = rows.iloc[np.argsort(order, kind="stable")]
    turn = shuffled.groupby([shuffled["label"], identity_codes(shuffled["identity"].to_numpy())]).cumcount()
    spread = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")]
    return spread.groupby("label").head(clips).sort_index()
