# SPDX-License-Identifier: Apache-2.0
"""Of several pictures and sounds the worst decides, and what has nothing to judge takes nothing away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_analysis import AUDIO, VIDEO, analysis, face
from tiny_model import tiny_spec

from cad import Label, judge
from cad.media.records import MediaInfo, MediaKind
from cad.verdict.analysis import Analysis, UnjudgedTrack
from cad.verdict.track_reasons import (
    NOT_JUDGED,
    SILENT,
    UNREADABLE,
    same_sound,
    several_tracks,
    tracks_left_out,
)

FAKE, REAL, BETWEEN = {"fused": 3.0, "video": 2.0}, {}, {"fused": 0.0}


def pair(number: int, logits: dict[str, float] | None, **about: object) -> Analysis:
    """A picture with its own sound; None: neither has anything to judge."""
    scores = [] if logits is None else face(0, 100, **logits)
    made = analysis(scores, [] if logits is None else None, **({"speech_slots": 0} if logits is None else {}), **about)
    info = replace(made.info, videos=tuple(replace(VIDEO, number=n) for n in (1, 2, 3)))
    info = replace(info, audios=tuple(replace(AUDIO, number=n) for n in (1, 2, 3)))
    return replace(made, info=replace(info, video=info.videos[number - 1], audio=info.audios[number - 1]))


def joined(*pairs: Analysis, unjudged: tuple[UnjudgedTrack, ...] = ()):
    return judge(replace(pairs[0], others=pairs[1:], unjudged=unjudged), tiny_spec())


@pytest.mark.parametrize(
    ("pairs", "label", "deciding"),
    [
        ([REAL, REAL, FAKE], Label.FAKE, 3),
        ([FAKE, BETWEEN, REAL], Label.FAKE, 1),
        ([{"fused": 1.0, "video": 1.0}, FAKE], Label.FAKE, 2),
        ([REAL, BETWEEN], Label.INCONCLUSIVE, 2),
        ([REAL, None], Label.REAL, 1),
        ([None, REAL], Label.REAL, 2),
        ([None, FAKE, None], Label.FAKE, 2),
        ([None, None], Label.INCONCLUSIVE, 1),
    ],
)
def test_the_worst_decides(pairs, label, deciding) -> None:
    verdict = joined(*(pair(number, logits) for number, logits in enumerate(pairs, start=1)))
    assert (verdict.label, verdict.media.video_track, verdict.media.audio_track) == (label, deciding, deciding)
    first = verdict.reasons[0]
    assert first.code == "several_tracks" and first.text.startswith(f"picture {deciding} with sound {deciding} decided")


def test_a_pair_of_which_little_could_be_read_keeps_the_file_from_being_real() -> None:
    verdict = joined(pair(1, REAL), pair(2, REAL, coverage=0.2))
    assert verdict.label is Label.INCONCLUSIVE
    assert verdict.media.coverage == 0.2
    assert "low_coverage" in {reason.code for reason in verdict.reasons}


def test_coverage_is_that_of_the_worst_pair_whichever_decides() -> None:
    assert joined(pair(1, FAKE), pair(2, REAL, coverage=0.9)).media.coverage == 0.9


def sound_alone(number: int, **logits: float) -> Analysis:
    made = analysis(face(0, 100, track=None, **logits), kind=MediaKind.AUDIO)
    info: MediaInfo = pair(1, REAL).info
    return replace(made, info=replace(info, kind=MediaKind.AUDIO, video=None, audio=info.audios[number - 1]))


def test_a_sound_that_goes_with_no_picture_does_not_stand_for_one_without_a_face() -> None:
    faceless = replace(pair(1, None), scores=tuple(face(0, 100, track=None)), speech_slots=100)
    faceless = replace(faceless, evidence=sound_alone(1).evidence)
    verdict = joined(faceless, sound_alone(2))
    assert verdict.label is Label.INCONCLUSIVE
    assert "picture_not_judged" in {reason.code for reason in verdict.reasons}
    assert joined(faceless, pair(2, REAL)).label is Label.REAL
    assert joined(faceless, sound_alone(2, audio=3.0)).label is Label.FAKE


def test_tracks_that_may_hold_anything_are_named() -> None:
    left_out = (
        UnjudgedTrack("audio", 2, NOT_JUDGED["limit"]),
        UnjudgedTrack("audio", 3, SILENT),
        UnjudgedTrack("video", 2, NOT_JUDGED["option"]),
    )
    one = pair(1, REAL)
    verdict = joined(replace(one, info=replace(one.info, undecodable=("audio", "audio"))), unjudged=left_out)
    (named,) = [reason.text for reason in verdict.reasons if reason.code == "tracks_left_out"]
    assert "sound 2 (the file has more tracks" in named and "picture 2 (other tracks" in named
    assert "2 sounds for which there is no decoder" in named
    assert "sound 3" not in named  # it was listened to
    assert "several_tracks" not in {reason.code for reason in verdict.reasons}


def test_a_sound_that_no_decoder_knows_is_not_told_as_missing() -> None:
    made = analysis(face(0, 100, has_audio=False), speech_slots=None)
    verdict = judge(replace(made, info=replace(made.info, undecodable=("audio",))), tiny_spec())
    assert verdict.streams["audio"].reason == "the file has sound, but nothing of it could be read"


def test_every_reason_about_tracks_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")
    told = [*NOT_JUDGED.values(), SILENT, UNREADABLE, same_sound(1), several_tracks("", []), tracks_left_out([])]
    assert all(f"`{reason.code}`" in page for reason in told)
