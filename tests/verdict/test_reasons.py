# SPDX-License-Identifier: Apache-2.0
"""Every sentence of every reason is held against the figures that it names, on random files.

The checks work on what was measured and on the verdict as it is shown; they share no code with the sentences.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_analysis import random_evidence

from cad.media.records import MediaKind, Outcome
from cad.verdict.decide import label_of
from cad.verdict.judge import verdict_of
from cad.verdict.reasons import TABLE, Effect, table_text
from cad.verdict.records import Label

NUMBER = re.compile(r"\d+(?:\.\d+)?")
WORDS = {"fused": "picture and sound together", "video": "the picture", "audio": "the sound"}
MEDIA = {"the picture": "video", "the sound": "audio"}


def numbers(text):
    return [(float(one), len(one.partition(".")[2])) for one in NUMBER.findall(text)]


def stands_for(told, value):
    """Say whether a printed number is ``value``, to the digits that it is printed with."""
    number, digits = told
    return abs(number - value) <= 0.5 * 10.0**-digits + 1e-9


def charge_of(evidence, name):
    """The probability and the point of a piece of evidence, as a sentence calls it."""
    if name == "the picture of a face that does not speak":
        return evidence.listeners, evidence.points.get("video")
    if " from " in name:
        (peak,) = [one for one in evidence.peaks if name.startswith(WORDS[one.peak.stream])]
        *whose, start, stop = numbers(name)
        assert stands_for(start, peak.peak.first_slot / 25) and stands_for(stop, peak.peak.stop_slot / 25)
        assert [int(one) for one, _ in whose] == ([] if peak.peak.track_id is None else [peak.peak.track_id])
        return peak.probability, peak.point
    head = {words: head for head, words in WORDS.items()}[name.removesuffix(" by itself")]
    is_alone = name.endswith(" by itself") and stands_alone(evidence, head)
    return evidence.probabilities[head], evidence.points.get(f"{head}_alone" if is_alone else head)


def stands_alone(evidence, head):
    """Say whether a stream is at or over the threshold from which on it stands alone beside the fused head."""
    point = evidence.points.get(f"{head}_alone")
    return point is not None and evidence.probabilities[head] >= point.fake_threshold


def check_above(text, evidence, verdict):
    name, told = text.split(": probability ")
    value, point = charge_of(evidence, name)
    assert " by itself" not in name or evidence.probabilities["fused"] is not None
    assert value >= point.fake_threshold
    probability, threshold = numbers(told)
    assert stands_for(probability, value) and stands_for(threshold, point.fake_threshold)


def check_between(text, evidence, verdict):
    for part in text.split("; "):
        name, told = part.split(": the probability ")
        value, point = charge_of(evidence, name)
        assert point.real_threshold <= value < point.fake_threshold
        probability, low, high = numbers(told)
        assert stands_for(probability, value) and stands_for(low, point.real_threshold)
        assert stands_for(high, point.fake_threshold)
        assert low[0] <= probability[0] < high[0]  # also as printed


def check_sync(text, evidence, verdict):
    told, _, fused = text.partition(" (")
    value, threshold = numbers(told)
    assert stands_for(value, evidence.probabilities["sync"])
    assert stands_for(threshold, evidence.points["sync"].fake_threshold)
    assert evidence.probabilities["sync"] >= evidence.points["sync"].fake_threshold
    if fused:
        check_above(fused.removesuffix(")"), evidence, verdict)


def check_sync_only(text, evidence, verdict):
    check_sync(text, evidence, verdict)
    clean = {"neither the picture nor the sound": ("video", "audio"), "the picture by": ("video",)}
    for words, streams in {**clean, "the sound by itself does": ("audio",)}.items():
        if f"; {words}" in text:
            assert all(evidence.probabilities[one] < evidence.points[one].real_threshold for one in streams)
    assert verdict.label is Label.INCONCLUSIVE


def check_face(text, evidence, verdict):
    this, _, others = text.partition("; at or above theirs as well: ")
    track_id, start, stop, value, threshold = numbers(this)
    face = next(one for one in verdict.faces if one.track_id == track_id[0])
    head = {one.track_id: "video" if one.fused is None else "fused" for one in evidence.analysis.evidence.faces}
    assert stands_for(start, face.start_seconds) and stands_for(stop, face.stop_seconds)
    assert stands_for(value, face.probability_fake)
    assert stands_for(threshold, evidence.points[head[face.track_id]].fake_threshold)
    above = {
        one.track_id for one in verdict.faces
        if one.probability_fake is not None and head[one.track_id] in evidence.points
        and one.probability_fake >= evidence.points[head[one.track_id]].fake_threshold
    }  # fmt: skip
    assert {face.track_id, *(int(one) for one, _ in numbers(others))} == above
    assert face.probability_fake == max(one.probability_fake for one in verdict.faces if one.track_id in above)


def check_several(text, evidence, verdict):
    count, highest, track_id = numbers(text)
    shown = {one.track_id: one.probability_fake for one in verdict.faces if one.probability_fake is not None}
    assert count[0] == len(shown) and shown[int(track_id[0])] == max(shown.values())
    assert stands_for(highest, max(shown.values()))


def check_besides(text, evidence, verdict):
    assert evidence.analysis.info.besides and all(one in text for one in evidence.analysis.info.besides)
    assert len(numbers(text)) == len(numbers(" ".join(evidence.analysis.info.besides)))


def check_left_out(text, evidence, verdict):
    (count,) = numbers(text)
    assert count[0] == evidence.analysis.faces_left_out > 0


def check_stretches(text, evidence, verdict):
    for part in text.split("; "):
        stream = part.split()[0]
        segments = [one for one in verdict.segments if one.stream == stream]
        best = max(segments, key=lambda one: one.probability_fake)
        threshold, whole, *count, start, stop, mean = numbers(part)
        assert [int(one) for one, _ in count] == ([] if "one stretch" in part else [len(segments)])
        assert ("one stretch" in part) == (len(segments) == 1)
        assert stands_for(threshold, evidence.points[stream].fake_threshold)
        assert stands_for(whole, verdict.streams[stream].probability_fake) and whole[0] < threshold[0]
        assert (start[0], stop[0]) == pytest.approx((best.start_seconds, best.stop_seconds), abs=0.005)
        assert stands_for(mean, best.probability_fake)


def check_offset(text, evidence, verdict):
    ((lag, _),) = numbers(text)
    offsets = np.array(evidence.analysis.evidence.offsets_seconds)
    assert np.mean(np.abs(np.abs(offsets) - lag) < 0.07) >= 0.8 and lag >= 0.12
    assert ("lags behind" in text) == (np.median(offsets) > 0)


def check_coverage(text, evidence, verdict):
    percent = numbers(text)[0][0]
    assert percent <= 100 * verdict.media.coverage + 1e-6 < percent + 1
    if "under" in text:
        assert percent < numbers(text)[1][0] == 50
    else:
        assert 50 <= percent < 98


def check_joints(text, evidence, verdict):
    *when, (count, _) = numbers(text)
    joints = evidence.analysis.info.joint_slots
    assert count == len(joints) + 1
    assert all(stands_for(one, slot / 25) for one, slot in zip(when, joints, strict=True))


def check_too_short(text, evidence, verdict):
    length, least = numbers(text)
    assert stands_for(length, evidence.analysis.slots / 25) and stands_for(least, evidence.analysis.min_slots / 25)
    assert length[0] < least[0]


def check_sparse(text, evidence, verdict):
    frames, seconds, limit = numbers(text)
    assert frames[0] == evidence.analysis.report.decoded_frames
    assert frames[0] < limit[0] * evidence.analysis.slots / 25 and stands_for(seconds, evidence.analysis.slots / 25)


def check_small(text, evidence, verdict):
    (largest, _), (least, _) = numbers(text)
    assert largest == int(max(one.height_px for one in verdict.faces)) < least == 40
    assert all(one.probability_fake is None for one in verdict.faces)


def check_brief(text, evidence, verdict):
    least_px, longest, needed = numbers(text)
    large = [one for one in evidence.analysis.tracks if one.height_px >= least_px[0]]
    assert stands_for(longest, max(one.seen_slots for one in large) / 25)
    assert stands_for(needed, evidence.analysis.min_slots / 25)


def check_brief_speech(text, evidence, verdict):
    heard, needed = numbers(text)
    assert stands_for(heard, evidence.analysis.speech_slots / 25) and heard[0] > 0
    assert stands_for(needed, evidence.analysis.min_slots / 25)
    assert verdict.streams["audio"].probability_fake is None


def check_frozen(text, evidence, verdict):
    judged = list(evidence.analysis.evidence.faces)
    deciding = [one for one in judged if one.carries_sound] or judged
    frozen = {one.track_id for one in evidence.analysis.tracks if one.is_frozen}
    assert deciding and {one.track_id for one in deciding} <= frozen


def check_frozen_face(text, evidence, verdict):
    named = {int(one) for one, _ in numbers(text)}
    judged = {one.track_id for one in verdict.faces if one.track_id in evidence.faces}
    assert named == {one.track_id for one in evidence.analysis.tracks if one.is_frozen} & judged


def outcome_is(*outcomes):
    def check(text, evidence, verdict):
        assert verdict.media.outcome in outcomes and text.endswith(evidence.analysis.report.text)

    return check


def holds(predicate):
    def check(text, evidence, verdict):
        assert predicate(evidence, verdict) and not numbers(text.replace("40 px", ""))

    return check


def is_none(verdict, stream):
    return verdict.streams[stream].probability_fake is None


CHECKS = {
    "changed_while_reading": outcome_is(Outcome.CHANGED),
    "encrypted": outcome_is(Outcome.ENCRYPTED),
    "crashed": outcome_is(Outcome.CRASHED),
    "read_stopped": outcome_is(Outcome.TIMEOUT, Outcome.TOO_LARGE, Outcome.UNDECODABLE),
    "low_coverage": check_coverage,
    "partly_read": check_coverage,
    "picture_unreadable": holds(lambda e, v: e.analysis.info.video and not e.analysis.report.decoded_frames),
    "audio_unreadable": holds(lambda e, v: e.analysis.info.audio and e.analysis.speech_slots is None),
    "joined_parts": check_joints,
    "sparse_picture": check_sparse,
    "not_judged": check_besides,
    "too_short": check_too_short,
    **dict.fromkeys(
        (
            "fused_evidence",
            "video_evidence",
            "audio_evidence",
            "listener_evidence",
            "video_peak_evidence",
            "audio_peak_evidence",
            "video_alone",
            "audio_alone",
        ),
        check_above,
    ),
    "sync_only": check_sync_only,
    "out_of_sync": check_sync,
    "face_evidence": check_face,
    "uncalibrated": holds(lambda e, v: not {"fused", "video", "audio"} <= set(e.points) or e.uncalibrated),
    "between_thresholds": check_between,
    "picture_not_judged": holds(
        lambda e, v: (
            e.analysis.info.video
            and is_none(v, "video")
            and e.probabilities["audio"] < e.points["audio"].real_threshold
        )
    ),
    "frozen_picture": check_frozen,
    "no_picture": holds(lambda e, v: e.analysis.info.video is None),
    "no_face": holds(lambda e, v: e.analysis.info.video and not v.faces and e.analysis.report.decoded_frames),
    "face_too_small": check_small,
    "face_too_short": check_brief,
    "no_audio": holds(lambda e, v: e.analysis.info.audio is None),
    "no_speech": holds(lambda e, v: e.analysis.speech_slots == 0),
    "speech_too_short": check_brief_speech,
    "never_together": holds(lambda e, v: is_none(v, "sync") and not is_none(v, "video") and not is_none(v, "audio")),
    "no_video_head": holds(lambda e, v: "video" not in e.heads and is_none(v, "video")),
    "no_audio_head": holds(lambda e, v: "audio" not in e.heads and is_none(v, "audio")),
    "no_sync_head": holds(lambda e, v: "sync" not in e.heads and is_none(v, "sync")),
    "short_stretches": check_stretches,
    "constant_offset": check_offset,
    "frozen_face": check_frozen_face,
    "still_image": holds(lambda e, v: v.media.kind == "image"),
    "several_faces": check_several,
    "faces_left_out": check_left_out,
}


def check_words(text, evidence, verdict):
    """What every sentence must keep to, whichever it is."""
    for words, stream in MEDIA.items():
        if f"only its {words.removeprefix('the ')} was judged" in text:
            others = {"video": "audio", "audio": "video"}
            assert evidence.probabilities[stream] is not None or evidence.probabilities["fused"] is not None
            assert evidence.probabilities[others[stream]] is None
    report = evidence.analysis.report
    whole = report.coverage >= 0.98 and report.outcome in (Outcome.OK, Outcome.PARTIAL)
    absent = ("no face was found", "has no speech", "the largest face", "is seen for more than", "s of speech")
    if any(words in text for words in absent):
        assert ("what could be read" in text) == (not whole)
    assert "nan" not in text and "None" not in text


def over_its_threshold(evidence, verdict):
    """Everything that is at or over a threshold of its own: by the codes that must name it."""
    points, given = evidence.points, evidence.probabilities
    for head in ("fused", "video", "audio"):
        if given[head] is not None and head in points and given[head] >= points[head].fake_threshold:
            beside = head != "fused" and given["fused"] is not None
            named = {f"{head}_evidence"} if stands_alone(evidence, head) else {f"{head}_alone"}
            yield named if beside else {f"{head}_evidence", "sync_only"}
        if given["fused"] is not None and given[head] is not None and stands_alone(evidence, head):
            yield {f"{head}_evidence"}
    if given["sync"] is not None and "sync" in points and given["sync"] >= points["sync"].fake_threshold:
        yield {"sync_only", "out_of_sync"}
    if evidence.listeners is not None and "video" in points and evidence.listeners >= points["video"].fake_threshold:
        yield {"listener_evidence"}
    for one in evidence.peaks:
        if one.point is not None and one.probability >= one.point.fake_threshold:
            yield {f"{one.peak.stream}_peak_evidence"}
    for face in evidence.analysis.evidence.faces:
        head, own = ("video" if face.fused is None else "fused"), evidence.faces[face.track_id].own
        if own is not None and head in points and own >= points[head].fake_threshold:
            yield {"face_evidence", f"{head}_evidence", "sync_only"}
    for segment in verdict.segments:
        if given[segment.stream] is not None:
            whole = {f"{segment.stream}_{how}" for how in ("evidence", "alone", "peak_evidence")}
            yield {"short_stretches", *(("sync_only", "out_of_sync") if segment.stream == "sync" else whole)}


def check_verdict(evidence):
    """Hold a verdict against the evidence and return the codes of its reasons."""
    verdict = verdict_of(evidence)
    codes = [reason.code for reason in verdict.reasons]
    assert len(set(codes)) == len(codes)
    for reason in verdict.reasons:
        CHECKS[reason.code](reason.text, evidence, verdict)
        check_words(reason.text, evidence, verdict)
    over = list(over_its_threshold(evidence, verdict))
    for names in over:
        assert names & set(codes), f"nothing names {names}"
    only_moments = all("short_stretches" in names and not names & set(codes) - {"short_stretches"} for names in over)
    report, info = evidence.analysis.report, evidence.analysis.info
    if verdict.label is Label.INCONCLUSIVE:
        assert codes
    if verdict.label is Label.REAL:
        assert not over or only_moments
        assert verdict.probability_fake is not None and report.coverage >= 0.5
        assert report.outcome not in (Outcome.ENCRYPTED, Outcome.CRASHED, Outcome.CHANGED)
        assert info.video is None or evidence.probabilities["video"] is not None or "video" not in evidence.heads
        assert info.audio is None or evidence.analysis.speech_slots is not None
        if info.kind is MediaKind.VIDEO and evidence.faces:
            faces = evidence.analysis.evidence.faces
            deciding = {one.track_id for one in faces if one.carries_sound} or {one.track_id for one in faces}
            assert not all(one.is_frozen for one in evidence.analysis.tracks if one.track_id in deciding)
    if verdict.label is Label.FAKE:
        assert report.outcome is not Outcome.CHANGED
        assert any(code.endswith("_evidence") for code in codes)
        limits = [*evidence.points.values(), *(one.point for one in evidence.peaks if one.point)]
        assert verdict.probability_fake >= min(point.fake_threshold for point in limits)
    if evidence.probabilities["fused"] is not None:
        # A stream beside the fused head has a part in the file's figure only where it makes the file fake.
        streams = [one for one in ("video", "audio") if evidence.probabilities[one] is not None]
        figures = [evidence.probabilities[one] for one in streams if stands_alone(evidence, one)]
        figures += [one.probability for one in evidence.peaks if one.point is not None]
        figures += [evidence.probabilities["fused"], evidence.listeners]
        assert verdict.probability_fake == max(one for one in figures if one is not None)
    for stream, said in verdict.streams.items():
        assert (said.reason is None) == (said.probability_fake is not None)
        assert said.reason is None or any(said.reason == one.text for one in verdict.reasons), stream
    return [*codes, verdict.label.value]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_every_sentence_is_true_of_the_figures(data):
    check_verdict(random_evidence(lambda options: data.draw(st.sampled_from(list(options)))))


def test_every_reason_and_every_label_comes_about():
    rng = np.random.default_rng(13)
    seen = Counter()
    for _ in range(1500):
        seen.update(check_verdict(random_evidence(lambda options: options[int(rng.integers(len(options)))])))
    assert {*CHECKS, *Label} <= set(seen) and set(CHECKS) == {row.code for row in TABLE}


def test_reading_is_told_first():
    rank = [row.is_about_reading for row in TABLE]
    assert rank == sorted(rank, reverse=True) and any(rank)


def test_the_label_follows_from_the_effects():
    assert label_of(set(), is_judged=True) is label_of({Effect.NOTE}, is_judged=True) is Label.REAL
    assert label_of({Effect.NOT_REAL}, is_judged=True) is Label.INCONCLUSIVE
    assert label_of({Effect.NOT_REAL, Effect.FAKE}, is_judged=True) is Label.FAKE
    assert label_of({Effect.NO_VERDICT, Effect.FAKE}, is_judged=True) is Label.INCONCLUSIVE
    assert label_of({Effect.FAKE}, is_judged=False) is Label.INCONCLUSIVE


def test_the_documentation_has_the_table():
    from pathlib import Path

    page = (Path(__file__).resolve().parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")
    assert table_text() in page, "replace the table by what `python -m cad.verdict.reasons` prints"
