# SPDX-License-Identifier: Apache-2.0
"""From the scores of windows to one logit a head for the file: over time, over faces, and the strongest stretch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from peaks import Peak, find_peaks, highest
from windows import Score


class FaceEvidence(NamedTuple):
    """What the model says of one face; ``fused`` is None if it does not carry the sound."""

    track: int
    carries_sound: bool | None
    video: float | None
    fused: float | None


class Evidence(NamedTuple):
    """What the model says of a file: logits, not calibrated; None where there was nothing to judge."""

    clip_logits: dict[str, float | None]
    faces: list[FaceEvidence]
    listeners_video: float | None
    peaks: list[Peak]
    faces_at_once: float


class Seen(NamedTuple):
    """One face as it was seen: see lips.FaceNotes."""

    track: int
    seen_slots: int
    height: float
    lips: float
    is_frozen: bool


def aggregate(scores: list[Score], seen: list[Seen], slots: int, shortest: int, rules: SimpleNamespace) -> Evidence:
    """Return the evidence of a file of so many slots."""
    usable = {
        one.track for one in seen if one.height >= rules.aggregate.min_face_height_px and one.seen_slots >= shortest
    }
    own = {track: [one for one in scores if one.track == track] for track in sorted(usable)}
    own = {track: found for track, found in own.items() if found}
    frozen = {one.track for one in seen if one.is_frozen}
    lips = {one.track: one.lips for one in seen}
    video, sync, fused = (
        {track: clip_line(found, head, slots) for track, found in own.items()} for head in ("video", "sync", "fused")
    )
    audio = clip_line(scores, "audio", slots)
    # The face that speaks fits the sound best: its sync logit, less a little for lips that follow the loudness.
    # A model without a sync head leaves that to the loudness alone.
    silent = {
        track: clip_line([one._replace(logits={"sync": 0.0}) for one in own[track]], "sync", slots) for track in own
    }
    fits = {track: np.where(np.isnan(sync[track]), silent[track], sync[track]) for track in own}
    misfit = without(frozen, {track: fits[track] - rules.aggregate.lips_logits * lips[track] for track in own})
    best = lowest(list(misfit.values()), slots)
    carriers = find_carriers(misfit, best, rules)

    def carried(track: int, line: np.ndarray) -> np.ndarray:
        """Take out the slots in which another face fits the sound better."""
        mine = np.isnan(misfit[track]) | (misfit[track] <= best)
        return np.where(mine, line, np.nan)

    shown = without(frozen, video)
    return Evidence(
        clip_logits={
            "fused": worst_over_time([carried(track, fused[track]) for track in carriers], slots),
            "video": worst_over_time(list(shown.values()), slots),
            "audio": mean(audio),
            "sync": mean(lowest([carried(track, sync[track]) for track in misfit], slots)),
        },
        faces=[
            FaceEvidence(
                track,
                track in carriers if carriers else None,
                mean(video[track]),
                mean(carried(track, fused[track])) if track in carriers else None,
            )
            for track in own
        ],
        listeners_video=worst_over_time([line for track, line in shown.items() if track not in carriers], slots)
        if carriers
        else None,
        peaks=[*find_peaks("video", shown, slots, rules), *find_peaks("audio", {None: audio}, slots, rules)],
        faces_at_once=faces_at_once(list(shown.values()), slots),
    )


def clip_line(scores: list[Score], head: str, slots: int) -> np.ndarray:
    """Return in every slot the mean of a head's logits over the windows that cover it, float64 (slots,).

    Only slots with evidence count: for ``video`` those with a crop, for ``audio`` those with speech, for ``sync`` those
    with a crop in a window with sound, for ``fused`` those with either. All others are NaN.
    """
    total, count = np.zeros(slots), np.zeros(slots)
    for one in scores:
        inside = slice(one.first, one.first + len(one.frames_present))
        video, audio = one.frames_present & one.has_video, one.audio_present & one.has_audio
        both = video & np.bool_(one.has_audio)
        there = {"video": video, "audio": audio, "sync": both, "fused": video | audio}[head]
        total[inside] += np.where(there, one.logits[head], 0)
        count[inside] += there
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean(line: np.ndarray) -> float | None:
    """Return the mean of what is known, None of nothing."""
    known = line[~np.isnan(line)]
    return float(known.mean()) if len(known) else None


def lowest(lines: list[np.ndarray], slots: int) -> np.ndarray:
    """Return the least value in every slot; NaN where no line has one."""
    return np.fmin.reduce(lines) if lines else np.full(slots, np.nan)


def worst_over_time(lines: list[np.ndarray], slots: int) -> float | None:
    """Return the mean over time of the highest face of every slot, each face at its own mean."""
    level = [np.where(np.isnan(line), np.nan, mean(line) if mean(line) is not None else np.nan) for line in lines]
    return mean(highest(level, slots))


def without(frozen: set[int], lines: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return the lines of the faces that move, or all if no face that moves has a value anywhere."""
    moving = {track: line for track, line in lines.items() if track not in frozen}
    return moving if any((~np.isnan(line)).any() for line in moving.values()) else lines


def find_carriers(misfit: dict[int, np.ndarray], best: np.ndarray, rules: SimpleNamespace) -> list[int]:
    """Return the faces that carry the sound: at least one, where there is sound."""
    shares = {
        track: float((line <= best)[~np.isnan(line)].mean())
        for track, line in misfit.items()
        if (~np.isnan(line)).any()
    }
    most = max(shares, key=lambda track: shares[track], default=None)
    return [track for track, share in shares.items() if share >= rules.aggregate.min_carrier_share or track == most]


def faces_at_once(lines: list[np.ndarray], slots: int) -> float:
    """Return the geometric mean, over the slots in which a face is judged, of how many are; 1 without any."""
    count = sum((~np.isnan(line) for line in lines), np.zeros(slots, int))
    return float(np.exp(np.log(count[count > 0]).mean())) if count.any() else 1.0
