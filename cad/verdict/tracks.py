# SPDX-License-Identifier: Apache-2.0
"""join_tracks makes one verdict of those on every picture and sound of a file: the worst decides.

A file is fake if any of its pairs of picture and sound is. Else it is inconclusive if the evidence of any points
neither way, and real if what could be judged is. A track that has nothing to judge (a silent one, slides without a
face) takes nothing away from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cad.media.records import AudioStreamInfo, VideoStreamInfo
from cad.media.tracks import NAMES
from cad.verdict.analysis import Analysis
from cad.verdict.records import Label, MediaTrack, Reason, Verdict
from cad.verdict.track_reasons import NOT_JUDGED, UNREADABLE, several_tracks, tracks_left_out

#: Reasons for leaving a track out under which it may hold anything.
_UNKNOWN = {UNREADABLE.code, *(reason.code for reason in NOT_JUDGED.values())}


def join_tracks(analysis: Analysis, verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a file.

    Args:
        analysis: Of the file.
        verdicts: On ``analysis`` and on each of its ``others``, in this order.
    """
    deciding = worst_of(verdicts)
    media = deciding.media
    return replace(
        deciding,
        reasons=(*_reasons_of_tracks(analysis, deciding, verdicts), *deciding.reasons),
        media=replace(
            media,
            coverage=min(one.media.coverage for one in verdicts),
            tracks=tuple(
                _summarise(stream, kind, analysis, verdicts)
                for kind, streams in (("video", analysis.info.videos), ("audio", analysis.info.audios))
                for stream in streams
            ),
        ),
    )


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that decides, the first of the worst."""
    worst = max(verdicts, key=lambda one: (_standing(one), one.probability_fake or 0.0))
    if worst.label is Label.REAL and worst.streams["video"].probability_fake is None:
        # A sound that goes with no picture does not make up for a picture that could not be judged.
        return next((one for one in verdicts if _lacks_its_picture(one)), worst)
    return worst


def _standing(verdict: Verdict) -> int:
    """Return how much a verdict weighs: fake, evidence that points neither way, real, nothing to judge."""
    if verdict.label is Label.FAKE:
        return 3
    if verdict.label is Label.REAL:
        return 1
    return 0 if verdict.probability_fake is None or _lacks_its_picture(verdict) else 2


def _lacks_its_picture(verdict: Verdict) -> bool:
    return any(reason.code == "picture_not_judged" for reason in verdict.reasons)


def _reasons_of_tracks(analysis: Analysis, deciding: Verdict, verdicts: Sequence[Verdict]) -> list[Reason]:
    found = []
    if len(verdicts) > 1:
        others = [f"{_pair(one)} {_answer(one)}" for one in verdicts if one is not deciding]
        found.append(several_tracks(_pair(deciding), others))
    unknown = [
        f"{NAMES[one.kind]} {one.number} ({one.why.text})" for one in analysis.unjudged if one.why.code in _UNKNOWN
    ]
    for kind in dict.fromkeys(analysis.info.undecodable):
        count = analysis.info.undecodable.count(kind)
        unknown.append(f"{count} {NAMES[kind]}{'s' if count > 1 else ''} for which there is no decoder")
    if unknown:
        found.append(tracks_left_out(unknown))
    return found


def _pair(verdict: Verdict) -> str:
    """Return what a verdict is about, such as ``picture 2 with sound 1``."""
    numbers = {"video": verdict.media.video_track, "audio": verdict.media.audio_track}
    return " with ".join(f"{NAMES[kind]} {number}" for kind, number in numbers.items() if number is not None)


def _answer(verdict: Verdict) -> str:
    chance = "" if verdict.probability_fake is None else f" ({verdict.probability_fake:.2f})"
    return f"{verdict.label.value}{chance}"


def _summarise(
    stream: VideoStreamInfo | AudioStreamInfo, kind: str, analysis: Analysis, verdicts: Sequence[Verdict]
) -> MediaTrack:
    """Return what is said of one track, by whichever pairs it was judged in."""
    mine = [one for one in verdicts if _number(one, kind) == stream.number]
    streams = [one.streams[kind] for one in mine]
    own = [one.probability_fake for one in streams if one.probability_fake is not None]
    left_out = [one.why.text for one in analysis.unjudged if (one.kind, one.number) == (kind, stream.number)]
    why = [*left_out, *(one.reason for one in streams if one.reason is not None)]
    partners = {_number(one, "audio" if kind == "video" else "video") for one in mine}
    return MediaTrack(
        kind=kind,
        number=stream.number,
        codec=stream.codec,
        language=stream.language,
        title=stream.title,
        is_default=stream.is_default,
        judged=bool(own),
        reason=None if own else next(iter(why), None),
        probability_fake=max(own, default=None),
        partners=tuple(sorted(number for number in partners if number is not None)),
        pair_probability_fake=max(
            (one.probability_fake for one in mine if one.probability_fake is not None), default=None
        ),
    )


def _number(verdict: Verdict, kind: str) -> int | None:
    return verdict.media.video_track if kind == "video" else verdict.media.audio_track
