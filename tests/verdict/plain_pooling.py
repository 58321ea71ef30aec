# SPDX-License-Identifier: Apache-2.0
"""Pooling over faces as it is meant, with a line over the whole file for every face: clear, and dear in memory.

The product's pooling (cad.verdict.aggregate) must say the same; its lines live over a face's own time.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from cad.verdict.aggregate import LIPS_LOGITS, MIN_CARRIER_SHARE, MIN_FACE_HEIGHT_PX
from cad.verdict.stretches import MIN_KNOWN_SHARE, ROUNDING, SHORTEST_STRETCH_SLOTS, stretch_lengths
from cad.verdict.timeline import evidence_slots


def line_of(scores, slots, head, values):
    total, count = np.zeros(slots), np.zeros(slots)
    for score in scores:
        there = evidence_slots(score, head)
        total[score.first_slot : score.first_slot + score.slots] += np.where(there, values(score), 0.0)
        count[score.first_slot : score.first_slot + score.slots] += there
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def clip_line(scores, slots, head):
    return line_of(scores, slots, head, lambda score: np.full(score.slots, score.logits[head]))


def frame_line(scores, slots, stream):
    return line_of(scores, slots, stream, lambda score: score.frame_logits[stream].astype(np.float64))


def faces_of(scores):
    faces = {}
    for score in scores:
        if score.track_id is not None:
            faces.setdefault(score.track_id, []).append(score)
    return dict(sorted(faces.items()))


def mean(line):
    known = line[~np.isnan(line)]
    return float(known.mean()) if len(known) else None


def most(choose, lines, slots):
    return reduce(choose, lines, np.full(slots, np.nan))


def level(line):
    return line if mean(line) is None else np.where(np.isnan(line), np.nan, mean(line))


def worst(lines, slots):
    return mean(most(np.fmax, map(level, lines), slots))


def without(frozen, lines):
    moving = {one: line for one, line in lines.items() if one not in frozen}
    return moving if any(not np.isnan(line).all() for line in moving.values()) else lines


def streams(scores, slots):
    """Return what ``stream_timelines`` must."""
    faces = faces_of(scores).values()
    return {
        "video": most(np.fmax, [frame_line(own, slots, "video") for own in faces], slots),
        "audio": frame_line(scores, slots, "audio"),
        "sync": most(np.fmin, [frame_line(own, slots, "sync") for own in faces], slots),
    }


def pooled(scores, tracks, slots, min_slots, joints=()):
    """Return what the evidence of ``aggregate`` must be, by name; peaks as tuples."""
    usable = {
        track.track_id for track in tracks if track.height_px >= MIN_FACE_HEIGHT_PX and track.seen_slots >= min_slots
    }
    faces = {one: own for one, own in faces_of(scores).items() if one in usable}
    video, sync = ({one: clip_line(own, slots, head) for one, own in faces.items()} for head in ("video", "sync"))
    lips = {track.track_id: track.lips.score for track in tracks}
    frozen = {track.track_id for track in tracks if track.is_frozen}
    shown, misfit = without(frozen, video), {}
    for one, own in faces.items():
        both = line_of(own, slots, "sync", lambda score: np.zeros(score.slots))
        misfit[one] = np.where(np.isnan(sync[one]), both, sync[one]) - LIPS_LOGITS * lips[one]
    misfit = without(frozen, misfit)
    best = most(np.fmin, misfit.values(), slots)
    shares = {
        one: float((own <= best)[~np.isnan(own)].mean()) for one, own in misfit.items() if not np.isnan(own).all()
    }
    carriers = {one for one, share in shares.items() if share >= MIN_CARRIER_SHARE}
    carriers |= {max(shares, key=shares.get)} if shares else set()

    def carried(line, one):
        return np.where(np.isnan(misfit[one]) | (misfit[one] <= best), line, np.nan)

    fused = {one: carried(clip_line(faces[one], slots, "fused"), one) for one in carriers}
    audio = clip_line(scores, slots, "audio")
    count = np.sum([~np.isnan(line) for line in shown.values()], axis=0) if shown else np.zeros(slots)
    return {
        "fused": worst(fused.values(), slots) if carriers else None,
        "video": worst(shown.values(), slots),
        "audio": mean(audio),
        "sync": mean(most(np.fmin, [carried(sync[one], one) for one in misfit], slots)),
        "faces": [
            (
                one, one in carriers if carriers else None, mean(video[one]), mean(sync[one]),
                mean(fused[one]) if one in carriers else None,
            )
            for one in faces
        ],
        "listeners": worst([line for one, line in shown.items() if one not in carriers], slots) if carriers else None,
        "peaks": [*peaks("video", shown, joints), *peaks("audio", {None: audio}, joints)],
        "faces_at_once": float(np.exp(np.log(count[count > 0]).mean())) if count.any() else 1.0,
    }  # fmt: skip


def peaks(stream, lines, joints):
    known = {one: int((~np.isnan(line)).sum()) for one, line in lines.items()}
    judged = np.any([~np.isnan(line) for line in lines.values()], axis=0).sum() if lines else 0
    made = []
    for length in stretch_lengths(int(judged)):
        places = [max(slots / length, 1.0) for slots in known.values() if slots >= MIN_KNOWN_SHARE * length]
        found = [(*stretch, one) for one, line in lines.items() if (stretch := highest(line, length, joints))]
        if found:
            logit, first, stop, one = max(found, key=lambda each: each[0])
            chances = (sum(places) / len(places)) ** math.sqrt(SHORTEST_STRETCH_SLOTS / length)
            made.append((stream, first, stop, one, logit, chances, len(places)))
    return made


def highest(line, length, joints):
    """Return mean, first and last slot of the highest stretch, or None."""
    there = np.flatnonzero(~np.isnan(line))
    if not len(there):
        return None
    begin, end = int(there[0]), int(there[-1]) + 1
    total = np.concatenate([[0.0], np.cumsum(np.where(np.isnan(line), 0.0, line)[begin:end])])
    stretches = []
    for first in range(begin, max(end - length, begin) + 1):
        stop = min(first + length, end)
        known = np.flatnonzero(~np.isnan(line[first:stop])) + first
        if len(known) >= MIN_KNOWN_SHARE * length and not any(first < joint < stop for joint in joints):
            stretches.append(((total[stop - begin] - total[first - begin]) / len(known), known))
    if not stretches:
        return None
    top = max(each[0] for each in stretches)
    logit, known = max((each for each in stretches if each[0] >= top - ROUNDING), key=lambda each: len(each[1]))
    return float(logit), int(known[0]), int(known[-1]) + 1
