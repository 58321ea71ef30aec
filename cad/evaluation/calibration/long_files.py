# SPDX-License-Identifier: Apache-2.0
"""Makes long files for the calibration of peaks: short clips of one source joined end to end, as logits.

Sets of labelled clips hold clips of a few seconds, while peaks are about files of minutes. What matters for them is how
far a voice or a face strays from itself, and how far those of one source lie apart; both are in the clips. So their
lines of logits are joined, which costs nothing beside scoring a file of ten minutes. Speakers follow each other in
blocks, as in an interview; a source that is used up is followed by the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cad.data.manifest import is_unnamed
from cad.verdict.analysis import Analysis
from cad.verdict.stretches import SHORTEST_STRETCH_SLOTS
from cad.verdict.timeline import Timeline, by_track, clip_line

if TYPE_CHECKING:
    import pandas as pd

#: Shorter lines say nothing of how a logit moves.
MIN_LINE_SLOTS = SHORTEST_STRETCH_SLOTS // 2


@dataclass(frozen=True, slots=True, eq=False)
class ClipLine:
    """A clip's clip logit over time.

    Attributes:
        source: Where it comes from.
        identity: Whose it is; a clip of nobody in particular is its own.
        line: float64 (slots,), known throughout.
    """

    source: str
    identity: str
    line: Timeline


@dataclass(frozen=True, slots=True, eq=False)
class SplicedLine:
    """A genuine file with a forged stretch, half open in slots."""

    line: Timeline
    first_slot: int
    stop_slot: int


def clip_lines(rows: pd.DataFrame, found: Sequence[Analysis | str], stream: str, label: int) -> list[ClipLine]:
    """Return the lines of clips whose ``stream`` is genuine (label 0) or forged (1) by ``<stream>_fake``.

    A genuine clip is so in both streams, whatever it states.

    Args:
        rows: Of a manifest.
        found: What was measured of each, or the code of an error.
        stream: ``video`` or ``audio``.
        label: Of the clips that are wanted.
    """
    stated = rows[f"{stream}_fake"].where(rows["label"] == 1, 0)
    return [
        ClipLine(str(source), str(path) if is_unnamed(identity) else str(identity), line)
        for one, said, source, identity, path in zip(
            found, stated, rows["source"], rows["identity"], rows["path"], strict=True
        )
        if said == label and not isinstance(one, str) and len(line := known_line(one, stream)) >= MIN_LINE_SLOTS
    ]


def known_line(analysis: Analysis, stream: str) -> Timeline:
    """Return what is known of a stream's clip logits, pauses left out: of the face seen longest, or of the sound."""
    scores = analysis.scores
    groups = [scores] if stream == "audio" else list(by_track(scores).values())
    lines = [clip_line(own, stream) for own in groups]
    return max((line.values[line.known] for line in lines), key=len, default=np.empty(0))


def joined_lines(clips: Sequence[ClipLine], slots: int, files: int, rng: np.random.Generator) -> list[Timeline]:
    """Return genuine files of one source's clips, then of further sources'; one clip is as likely as another.

    Args:
        clips: Genuine, at least one.
        slots: Length of the files.
        files: How many.
        rng: Draws sources, the order of identities and of their clips.
    """
    sources = _grouped(clips, "source")
    return [_join(sources, slots, rng) for _ in range(files)]


def spliced_lines(
    genuine: Sequence[ClipLine], forged: Sequence[ClipLine], slots: int, rng: np.random.Generator
) -> list[SplicedLine]:
    """Return for every forged clip ``slots`` slots of genuine ones, of its own source first, with it among them."""
    sources = _grouped(genuine, "source")
    made = []
    for clip in forged:
        around = _join(sources, slots, rng, first=clip.source)
        at = int(rng.integers(len(around) + 1))
        line = np.concatenate([around[:at], clip.line, around[at:]])
        made.append(SplicedLine(line, at, at + len(clip.line)))
    return made


def _grouped(clips: Sequence[ClipLine], by: str) -> dict[str, list[ClipLine]]:
    groups: dict[str, list[ClipLine]] = defaultdict(list)
    for clip in clips:
        groups[getattr(clip, by)].append(clip)
    return dict(groups)


def _join(
    groups: Mapping[str, Sequence[ClipLine]], slots: int, rng: np.random.Generator, first: str | None = None
) -> Timeline:
    """Return the clips of one group, then of others, until ``slots`` are full; too short together, they come again."""
    lines: list[Timeline] = []
    length = 0
    while length < slots:
        # The least of exponential times is that of a group in proportion to its clips.
        for group in sorted(groups, key=lambda name: (name != first, rng.exponential() / len(groups[name]))):
            turn = {identity: rng.random() for identity in dict.fromkeys(clip.identity for clip in groups[group])}
            for clip in sorted(groups[group], key=lambda clip: (turn[clip.identity], rng.random())):
                lines.append(clip.line)
                length += len(clip.line)
            if length >= slots:
                break
    return np.concatenate(lines)[:slots]
