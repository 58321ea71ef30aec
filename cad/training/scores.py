# SPDX-License-Identifier: Apache-2.0
"""Validation figures of scored windows for the training task: by stream, by source, and for synchrony."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cad.metrics.roc import auc_of
from cad.spec import HEADS
from cad.training.val_samples import Part

#: An offset is right within two frames.
OFFSET_TOLERANCE_SECONDS = 0.08


@dataclass(frozen=True, slots=True)
class Scored:
    """One window (or the mean over the windows of a clip), with its labels and the net's answer.

    Attributes:
        key: The clip.
        source: Its page or corpus.
        part: What it is shown for.
        start: First slot of the window.
        has_face: Whether there was a picture.
        is_held_out: Whether the source was kept out of train.
        labels: By head (fused, video, audio, sync): 1, 0, -1 unknown.
        logits: By head.
        offset_seconds: True offset, NaN where unknown.
        offset_said: The net's offset.
    """

    key: str
    source: str
    part: Part
    start: int
    has_face: bool
    is_held_out: bool
    labels: tuple[float, ...]
    logits: tuple[float, ...]
    offset_seconds: float
    offset_said: float


@dataclass(frozen=True, slots=True)
class SourceScore:
    """How well one source is told from the other class of everything judged (or of its own, if it has both).

    Attributes:
        head: Which logit.
        source: Page or corpus.
        genuine: Number of genuine clips.
        fake: Number of fake clips.
        auc: In [0, 1].
        is_held_out: Whether the source was kept out of train.
    """

    head: str
    source: str
    genuine: int
    fake: int
    auc: float
    is_held_out: bool


def by_clip(windows: Iterable[Scored]) -> list[Scored]:
    """Return one entry a clip and part: fake in a head where a window is, with the mean logit of the windows that are.

    A window that occurs twice counts once. The genuine windows of a forged clip do not water its logit down; where all
    windows have one label, as those of clips that are forged from end to end, the mean is that of all.
    """
    groups: dict[tuple[str, Part], dict[int, Scored]] = defaultdict(dict)
    for window in windows:
        groups[window.key, window.part][window.start] = window
    clips = []
    for group in groups.values():
        some = list(group.values())
        labels = tuple(max(values) for values in zip(*(one.labels for one in some), strict=True))
        logits = tuple(_mean_logit(some, head, label) for head, label in enumerate(labels))
        clips.append(replace(some[0], labels=labels, logits=logits))
    return clips


def _mean_logit(windows: Sequence[Scored], head: int, label: float) -> float:
    logits = [window.logits[head] for window in windows if window.labels[head] == label]
    return sum(logits) / len(logits)


def figures(clips: Sequence[Scored]) -> dict[str, float]:
    """Return the validation figures by name; those without data are left out.

    ``fused_auc`` counts clips with a face, ``video_auc`` and ``audio_auc`` all clips of which the stream's truth is
    known, ``sync_shift_auc`` and ``sync_other_auc`` genuine clips against themselves with the wrong sound.
    """
    rows = [clip for clip in clips if clip.part is Part.ROWS]
    faces = [clip for clip in rows if clip.has_face]
    speech = [clip for clip in rows if not clip.has_face]
    parts = {part: [clip for clip in clips if clip.part is part] for part in Part}
    sync = HEADS.index("sync")
    together = [clip.logits[sync] for clip in parts[Part.IN_SYNC]]
    shifted = parts[Part.SHIFTED]
    found = {
        "fused_auc": _head_auc(faces, "fused"),
        "video_auc": _head_auc(rows, "video"),
        "audio_auc": _head_auc(rows, "audio"),
        "audio_speech_auc": _head_auc(speech, "audio"),
        "sync_shift_auc": auc_of([clip.logits[sync] for clip in shifted], together),
        "sync_other_auc": auc_of([clip.logits[sync] for clip in parts[Part.OTHER]], together),
        "offset_right": _share_right(shifted),
    }
    if any(clip.is_held_out for clip in rows):
        for head in HEADS[:3]:
            held = [score.auc for score in by_source(clips) if score.is_held_out and score.head == head]
            found[f"held_out_{head}_auc"] = sum(held) / len(held) if held else math.nan
    for head in HEADS[:3]:
        each = [score.auc for score in by_source(clips) if score.head == head and score.genuine + score.fake >= 4]
        found[f"worst_source_{head}_auc"] = min(each, default=math.nan)
    return {name: value for name, value in found.items() if not math.isnan(value)}


#: The figure of each head that counts when checkpoints are compared.
_FIGURES = {"fused": "fused_auc", "video": "video_auc", "audio": "audio_auc", "sync": "sync_shift_auc"}


def mean_auc(found: dict[str, float], heads: Collection[str] = HEADS) -> float:
    """Return the mean of the figures of ``heads``, for choosing among checkpoints; NaN where there is none.

    Example:
        >>> mean_auc({"video_auc": 0.8, "sync_shift_auc": 0.9, "offset_right": 0.1})
        0.85
        >>> mean_auc({"video_auc": 0.8, "audio_auc": 0.5}, heads=("fused", "video"))
        0.8
    """
    values = [found[name] for head, name in _FIGURES.items() if head in heads and name in found]
    return round(sum(values) / len(values), 9) if values else math.nan


def by_source(clips: Sequence[Scored]) -> list[SourceScore]:
    """Return for each head and source how well its clips are told from the other class."""
    scores = []
    rows = [clip for clip in clips if clip.part is Part.ROWS]
    for number, head in enumerate(HEADS[:3]):
        known = [clip for clip in rows if clip.labels[number] >= 0 and (head != "fused" or clip.has_face)]
        everything = _classes(known, number)
        for source in sorted({clip.source for clip in known}):
            own = [clip for clip in known if clip.source == source]
            genuine, fake = _classes(own, number)
            value = auc_of(fake or everything[1], genuine or everything[0])
            if not math.isnan(value):
                scores.append(SourceScore(head, source, len(genuine), len(fake), value, own[0].is_held_out))
    return scores


def _classes(clips: Sequence[Scored], head: int) -> tuple[list[float], list[float]]:
    genuine = [clip.logits[head] for clip in clips if clip.labels[head] == 0]
    return genuine, [clip.logits[head] for clip in clips if clip.labels[head] == 1]


def _head_auc(clips: Sequence[Scored], head: str) -> float:
    # Held-out sources have figures of their own.
    genuine, fake = _classes([clip for clip in clips if not clip.is_held_out], HEADS.index(head))
    return auc_of(fake, genuine)


def _share_right(clips: Sequence[Scored]) -> float:
    errors = [abs(clip.offset_said - clip.offset_seconds) for clip in clips if not math.isnan(clip.offset_seconds)]
    if not errors:
        return math.nan
    return sum(error <= OFFSET_TOLERANCE_SECONDS + 1e-6 for error in errors) / len(errors)
