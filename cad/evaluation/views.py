# SPDX-License-Identifier: Apache-2.0
"""Which rows count for which stream, and with which label; and how abstentions are counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

#: Files that hold sound alone.
SOUND_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a", ".aac")


class Abstentions(StrEnum):
    """What becomes of rows on which the detector did not answer."""

    LEFT_OUT = "left_out"
    ERRORS = "errors"  # a fake counts as called real with certainty, a genuine clip as called fake


@dataclass(frozen=True, slots=True)
class View:
    """Some rows, the score that is judged on them and the truth.

    Attributes:
        name: What the table calls it.
        head: Whose score: ``file`` for the product's answer, else a head.
        mask: bool (rows,) which rows count.
        labels: int (rows,) 1 fake, 0 real; meaningless outside the mask.
    """

    name: str
    head: str
    mask: NDArray[np.bool_]
    labels: NDArray[np.int8]


def views_of(rows: pd.DataFrame) -> list[View]:
    """Return the views of a manifest's rows; those without a row are left out.

    The file's answer and the fused head are judged by the label, the video head on rows that say whether the picture is
    forged, the audio head on rows that say so of the sound. The sync head, by the label, asks whether its evidence
    separates forged from genuine clips at all; whether it tells a shift is the protocol ``desync``.
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


def with_abstentions(
    scores: NDArray[np.float64], labels: NDArray[Any], answered: NDArray[np.bool_], how: Abstentions
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the scores and a mask of the rows that count.

    Args:
        scores: (rows,) NaN where there is none.
        labels: (rows,).
        answered: (rows,) whether the detector committed itself.
        how: What becomes of the others.
    """
    silent = ~answered | np.isnan(scores)
    if how is Abstentions.LEFT_OUT:
        return scores, ~silent
    worst = np.where(labels == 1, -np.inf, np.inf)
    return np.where(silent, worst, scores), np.ones(len(scores), dtype=bool)
