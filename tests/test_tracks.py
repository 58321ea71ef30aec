# SPDX-License-Identifier: Apache-2.0
"""Files with several pictures and sounds, from the file to the verdict, with the model whose answers are arithmetic."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from made_media import DARK, RED, stand_in_for_faces, talk
from made_tracks import Picture, Voice, write_tracks

from cad import Detector, Label, MediaLimits
from cad.cli import main
from cad.errors import MissingStreamError, OptionError
from cad.report.html import verdict_section
from cad.report.text import verdict_text

#: The tiny model takes loud sound for forged, red for a forged picture, and green for lips that do not fit.
GENUINE, FORGED = talk(2.0, 0.03, 1), talk(2.0, 0.4, 2)
OTHER = talk(2.0, 0.03, 3)
SILENT = np.zeros(2 * 16_000, np.float32)
GREEN = (0, 250, 0)


@pytest.fixture(scope="module")
def options(tiny_weights: Path):
    with pytest.MonkeyPatch.context() as monkeypatch:
        stand_in_for_faces(monkeypatch)
        yield {"model": str(tiny_weights)}


@pytest.fixture(scope="module")
def detector(options):
    with Detector(**options) as detector:
        yield detector


def tracks_of(verdict, kind):
    return [track for track in verdict.media.tracks if track.kind == kind]


def reason(verdict, code):
    return next((one.text for one in verdict.reasons if one.code == code), None)


@pytest.mark.parametrize(
    ("order", "forged_is_default", "suffix"),
    [
        ("GgFf", False, "mkv"),
        ("GFgf", False, "mov"),
        ("GFgf", True, "mkv"),
        ("gfGF", False, "mkv"),
        ("FfGg", False, "mkv"),
        ("FfGg", True, "mov"),
    ],
)
def test_a_forged_pair_is_found_wherever_it_stands(detector, order, forged_is_default, suffix, tmp_path) -> None:
    """Pictures are G (genuine) and F (forged), sounds g and f; nothing is forged by its sound."""
    tracks = {
        "G": Picture(DARK, is_default=not forged_is_default),
        "g": Voice(GENUINE, is_default=not forged_is_default),
        "F": Picture(RED, is_default=forged_is_default),
        "f": Voice(OTHER, is_default=forged_is_default),
    }
    path = write_tracks(tmp_path / f"a.{suffix}", [tracks[letter] for letter in order])
    verdict = detector.detect(path)
    place = [letter for letter in order if letter in "GF"].index("F") + 1
    assert verdict.label is Label.FAKE
    assert (verdict.media.video_track, verdict.media.audio_track) == (place, place)
    assert f"picture {place} with sound {place} decided" in reason(verdict, "several_tracks")
    for kind, numbers in (("video", [(1,), (2,)]), ("audio", [(1,), (2,)])):
        assert [track.partners for track in tracks_of(verdict, kind)] == numbers
    alone = detector.detect(write_tracks(tmp_path / "alone.mkv", [tracks["F"], tracks["f"]]))
    assert alone.probability_fake == pytest.approx(verdict.probability_fake, abs=1e-3)
    for stream, evidence in alone.streams.items():
        assert evidence.probability_fake == pytest.approx(verdict.streams[stream].probability_fake, abs=1e-3)


@pytest.mark.parametrize("order", list(permutations(range(3)))[::2])
def test_a_forged_sound_is_found_among_others(detector, order, tmp_path) -> None:
    voices = [Voice(GENUINE, is_default=True), Voice(OTHER), Voice(FORGED)]
    verdict = detector.detect(write_tracks(tmp_path / "a.mkv", [Picture(), *(voices[index] for index in order)]))
    assert verdict.label is Label.FAKE
    assert verdict.media.audio_track == order.index(2) + 1
    assert [track.judged for track in tracks_of(verdict, "audio")] == [True] * 3
    assert [round(track.probability_fake) for track in tracks_of(verdict, "audio")] == [index == 2 for index in order]
    (picture,) = tracks_of(verdict, "video")
    assert picture.partners == (1, 2, 3) and picture.probability_fake < 0.1 and picture.pair_probability_fake > 0.6


def test_genuine_tracks_make_a_genuine_file(detector, tmp_path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(OTHER), Picture(), Voice(SILENT)])
    verdict = detector.detect(path)
    assert verdict.label is Label.REAL
    assert reason(verdict, "tracks_left_out") is None
    assert [track.judged for track in tracks_of(verdict, "audio")] == [True, True, False]
    assert "no speech" in tracks_of(verdict, "audio")[2].reason


@pytest.mark.parametrize("quiet_first", [True, False])
def test_a_silent_default_track_does_not_hide_the_speaking_one(detector, quiet_first, tmp_path) -> None:
    voices = [Voice(SILENT, is_default=True), Voice(FORGED)]
    verdict = detector.detect(write_tracks(tmp_path / "a.mkv", [Picture(), *voices[:: 1 if quiet_first else -1]]))
    assert verdict.label is Label.FAKE
    assert verdict.media.audio_track == (2 if quiet_first else 1)
    assert reason(verdict, "several_tracks") is None  # there is one pair that can be judged


def test_the_faces_of_a_picture_are_found_once_for_all_of_its_sounds(options, monkeypatch, tmp_path) -> None:
    import made_media

    chunks = []

    class Counting(made_media.WholePictureTracker):
        def push(self, chunk):
            chunks.append(chunk.first_slot)
            return super().push(chunk)

    monkeypatch.setattr("cad.detector.FaceTracker", Counting)
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(OTHER), Voice(FORGED)])
    with Detector(**options) as detector:
        analysis = detector.analyse(path)
    assert chunks == [0, 25]
    assert [one.info.audio.number for one in (analysis, *analysis.others)] == [1, 2, 3]


def test_the_same_sound_is_judged_once(detector, tmp_path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(GENUINE), Voice(OTHER)])
    analysis = detector.analyse(path)
    assert [one.info.audio.number for one in (analysis, *analysis.others)] == [1, 3]
    second = tracks_of(detector.detect(path), "audio")[1]
    assert not second.judged and "sound 1 once more" in second.reason


def test_every_pair_has_the_scores_of_a_file_of_its_own(detector, tmp_path) -> None:
    genuine, forged = [Picture(DARK), Voice(GENUINE)], [Picture((120, 90, 30)), Voice(FORGED), Voice(OTHER)]
    both = detector.analyse(write_tracks(tmp_path / "both.mkv", [*genuine, Picture(DARK), Voice(FORGED)]))
    for number, one in enumerate((both, *both.others)):
        tracks = genuine if number == 0 else [Picture(DARK), Voice(FORGED)]
        alone = detector.analyse(write_tracks(tmp_path / f"{number}.mkv", tracks))
        assert one.clip_logits == pytest.approx(alone.clip_logits, abs=1e-3)
        assert (one.slots, one.speech_slots, one.report.coverage) == (alone.slots, alone.speech_slots, 1.0)
    dubbed = detector.analyse(write_tracks(tmp_path / "dubbed.mkv", forged))
    for one, voice in zip((dubbed, *dubbed.others), forged[1:], strict=True):
        alone = detector.analyse(write_tracks(tmp_path / "one.mkv", [forged[0], voice]))
        assert one.clip_logits == pytest.approx(alone.clip_logits, abs=1e-3)


def test_a_dub_is_judged_with_the_lips(detector, tmp_path) -> None:
    analysis = detector.analyse(write_tracks(tmp_path / "a.mkv", [Picture(GREEN), Voice(GENUINE), Voice(OTHER)]))
    assert all(one.clip_logits["sync"] > 0 for one in (analysis, *analysis.others))


def test_sounds_without_a_picture_are_all_judged(detector, tmp_path) -> None:
    verdict = detector.detect(write_tracks(tmp_path / "a.mka", [Voice(GENUINE), Voice(FORGED)]))
    assert verdict.label is Label.FAKE and verdict.media.audio_track == 2
    assert verdict.media.kind == "audio"


def test_a_second_camera_without_sound_is_judged_by_its_picture(detector, tmp_path) -> None:
    verdict = detector.detect(write_tracks(tmp_path / "a.mkv", [Picture(), Picture(RED), Voice(GENUINE)]))
    assert verdict.label is Label.FAKE and verdict.media.video_track == 2
    assert verdict.streams["audio"].reason == "no sound of the file goes with picture 2; only its picture was judged"


@pytest.mark.parametrize(
    ("chosen", "label", "judged"),
    [
        ({"audio_tracks": (1,)}, Label.REAL, [(1, 1)]),
        ({"audio_tracks": (2,)}, Label.FAKE, [(1, 2)]),
        ({"audio_tracks": (1, 3)}, Label.REAL, [(1, 1), (1, 3)]),
        ({"video_tracks": (1,)}, Label.FAKE, [(1, 1), (1, 2), (1, 3)]),
    ],
)
def test_tracks_that_are_asked_for_are_judged(options, chosen, label, judged, tmp_path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(FORGED), Voice(OTHER)])
    with Detector(**options, **chosen) as detector:
        analysis = detector.analyse(path)
        verdict = detector.detect(path)
    assert [(one.info.video.number, one.info.audio.number) for one in (analysis, *analysis.others)] == judged
    assert verdict.label is label
    left_out = {1, 2, 3} - {audio for _, audio in judged}
    said = reason(verdict, "tracks_left_out")
    assert (said is None) == (not left_out)
    assert all(f"sound {number} (other tracks were asked for)" in said for number in left_out)


def test_a_track_that_is_not_there_is_an_error_of_that_file(options, tmp_path, capsys) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(OTHER)])
    with Detector(**options, audio_tracks=(3,)) as detector, pytest.raises(MissingStreamError, match="has no sound 3"):
        detector.detect(path)
    with pytest.raises(SystemExit) as stop:
        main([str(path), "--model", options["model"], "--audio-track", "3"])
    assert stop.value.code == 3
    assert "has no sound 3: it has 2 sounds" in capsys.readouterr().out
    for numbers in ((), (0,), (-1,)):
        with pytest.raises(OptionError, match="numbers of tracks"):
            Detector(**options, video_tracks=numbers)


def test_more_tracks_than_are_judged_are_named(options, tmp_path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), *(Voice(talk(2.0, 0.03, seed)) for seed in range(4))])
    with Detector(**options, limits=MediaLimits(max_tracks=2)) as detector:
        verdict = detector.detect(path)
    assert [track.judged for track in tracks_of(verdict, "audio")] == [True, True, False, False]
    assert "sound 3" in reason(verdict, "tracks_left_out") and "sound 4" in reason(verdict, "tracks_left_out")


def test_the_reports_name_the_tracks(options, tmp_path, capsys) -> None:
    title = "<b>dub\x1b[2J"
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE), Voice(FORGED, language="ger", title=title)])
    with pytest.raises(SystemExit):
        main([str(path), "--model", options["model"], "--json"])
    tracks = json.loads(capsys.readouterr().out)["media"]["tracks"]
    assert [(one["kind"], one["number"], one["language"], one["default"]) for one in tracks] == [
        ("video", 1, "", False),
        ("audio", 1, "", False),
        ("audio", 2, "ger", False),
    ]
    with Detector(**options) as detector:
        verdict = detector.detect(path)
    text, page = verdict_text(verdict), verdict_section(verdict, {})
    (line,) = [one for one in text.splitlines() if one.startswith("  track sound 2 ")]
    assert line.startswith("  track sound 2 (pcm_s16le, ger, <b>dub\\x1b[2J): 0.") and line.endswith(" with picture 1")
    assert "sound 2 (pcm_s16le, ger, &lt;b&gt;dub" in page and "<b>dub" not in page
    single = verdict_text(Detector(**options).detect(write_tracks(tmp_path / "b.mkv", [Picture(), Voice(GENUINE)])))
    assert "sound 1" not in single


@pytest.mark.parametrize("flipped", [False, True])
def test_channels_in_opposite_phase_hide_no_forged_voice(detector, flipped, tmp_path) -> None:
    sides = np.stack([FORGED, -FORGED if flipped else FORGED], axis=1)
    verdict = detector.detect(write_tracks(tmp_path / "a.mkv", [Picture(), Voice(sides)]))
    assert verdict.label is Label.FAKE
    assert verdict.streams["audio"].probability_fake > 0.6


def test_a_sound_without_a_decoder_is_named_and_the_others_are_judged(detector, tmp_path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Picture(), Voice(GENUINE, is_default=True), Voice(FORGED)])
    path.write_bytes(path.read_bytes().replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT", 1))
    verdict = detector.detect(path)
    assert verdict.label is Label.FAKE
    assert "1 sound for which there is no decoder" in reason(verdict, "tracks_left_out")
    assert len(tracks_of(verdict, "audio")) == 1
