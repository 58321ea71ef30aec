# SPDX-License-Identifier: Apache-2.0
"""From logits to an answer: calibration, operating points, and the reasons from which the label follows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import NamedTuple

from peaks import Peak
from scores import Evidence, Seen
from windows import HEADS

#: What a reason does to the label; the strongest wins: no verdict, then fake, then not real.
NO_VERDICT, FAKE, NOT_REAL, NOTE = "no verdict", "fake", "not real", "note"


class Facts(NamedTuple):
    """What is known of the file beside the evidence.

    Attributes:
        kind: ``recording``, ``talking_head`` or ``still``: which numbers of the ModelSpec hold.
        has_picture: Whether there is a picture at all, and ``pictures`` how many of it were decoded.
        has_sound: Whether there is sound at all.
        speech_slots: In how many slots there is speech; None where no sound could be read.
        slots: Length of the file.
        shortest: Fewest slots that are judged: ``min_frames`` of the ModelSpec, 1 for a still.
        shown_slots: How many slots show a picture.
    """

    kind: str
    has_picture: bool
    pictures: int
    has_sound: bool
    speech_slots: int | None
    slots: int
    shortest: int
    shown_slots: int


class Charge(NamedTuple):
    """One piece of evidence that may make the file fake by itself, beside its operating point (None: never chosen)."""

    kind: str
    probability: float
    point: dict | None
    only_accuses: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether it is at or over its threshold for fake."""
        return self.point is not None and self.probability >= self.point["fake_threshold"]

    @property
    def is_between(self) -> bool:
        """Whether it points neither way."""
        has_say = self.point is not None and not self.only_accuses
        return has_say and self.point["real_threshold"] <= self.probability < self.point["fake_threshold"]


class Judged:
    """The evidence on a file under a ModelSpec.

    Attributes:
        probabilities: By head, None where there was nothing to judge.
        charges: What may make the file fake by itself.
        faces: (track, head that judged it, probability) of every judged face.
    """

    def __init__(self, evidence: Evidence, seen: list[Seen], facts: Facts, spec: dict, rules: SimpleNamespace) -> None:
        self.evidence, self.seen, self.facts, self.rules, self.spec = evidence, seen, facts, rules, spec
        # The worst of several faces is high by chance; the picture of a file is that of its worst.
        at_once = {"video": evidence.faces_at_once}
        self.probabilities = {
            head: self._probability(evidence.clip_logits[head], head, at_once.get(head, 1.0)) for head in HEADS
        }
        carriers = sum(face.fused is not None for face in evidence.faces)
        self.faces = []
        for face in evidence.faces:
            head, logit, chances = ("fused", face.fused, carriers)
            if face.fused is None:
                head, logit, chances = ("video", face.video, len(evidence.faces))
            if logit is not None:
                self.faces.append((face.track, head, self._probability(logit, head, chances)))
        self.charges = list(self._charges())

    def number(self, numbers: str, name: str) -> dict | None:
        """Return what the spec has for a head or peak: that of the file's kind where there is one, else the plain."""
        found = self.spec[numbers]
        return found.get(f"{name}@{self.facts.kind}", found.get(name))

    def point(self, name: str) -> dict | None:
        """Return the operating point of a head or peak."""
        return self.number("operating_points", name)

    def _probability(self, logit: float | None, name: str, chances: float = 1.0) -> float | None:
        """Return sigmoid(scale * (logit - growth * ln(chances)) + bias)."""
        if logit is None:
            return None
        own = self.number("calibration", name) or {"scale": 1.0, "bias": 0.0, "growth": 0.0}
        return 0.5 * (1 + math.tanh(0.5 * (own["scale"] * (logit - own["growth"] * math.log(chances)) + own["bias"])))

    def peak_probability(self, peak: Peak) -> float:
        """Return the probability of a stretch: less what chance adds for many faces (by the head) and many places."""
        head = self.number("calibration", peak.stream) or {"growth": 0.0}
        logit = peak.logit - head["growth"] * math.log(peak.faces)
        return self._probability(logit, f"{peak.stream}_peak", peak.chances)

    def _charges(self) -> Iterator[Charge]:
        given = self.probabilities
        for head in ["video", "audio"] if given["fused"] is None else ["fused"]:
            if given[head] is not None:
                yield Charge(head, given[head], self.point(head))
        listeners = self._probability(self.evidence.listeners_video, "video", self.evidence.faces_at_once)
        if listeners is not None:
            yield Charge("listener", listeners, self.point("video"))
        for stream in ("video", "audio"):  # beside the fused head, where the model lets a stream stand alone
            if given["fused"] is not None and given[stream] is not None and self.point(f"{stream}_alone"):
                yield Charge(stream, given[stream], self.point(f"{stream}_alone"), only_accuses=True)
        for stream in ("video", "audio"):
            own = [self.peak_probability(peak) for peak in self.evidence.peaks if peak.stream == stream]
            if own and self.point(f"{stream}_peak"):
                yield Charge(f"{stream}_peak", max(own), self.point(f"{stream}_peak"))

    def proven(self, kind: str) -> bool:
        """Say whether there is a charge of this kind at or over its threshold."""
        return any(one.is_proven for one in self.charges if one.kind == kind)

    def side(self, head: str) -> int | None:
        """Return where a head stands: 2 fake, 1 neither, 0 real, None if it or its operating point is missing."""
        value, point = self.probabilities[head], self.point(head)
        if value is None or point is None:
            return None
        return int(value >= point["real_threshold"]) + int(value >= point["fake_threshold"])

    def proven_faces(self) -> list[tuple[int, str, float]]:
        """Return the faces at or over the threshold of the head that judged them."""
        return [one for one in self.faces if (at := self.point(one[1])) and one[2] >= at["fake_threshold"]]

    def only_sync_speaks(self) -> bool:
        """Say whether lips and sound do not belong together while neither of them by itself is suspicious."""
        others = any(one.is_proven for one in self.charges if one.kind != "fused")
        others = others or any(head != "fused" for _, head, _ in self.proven_faces())
        suspicious = any(self.side(stream) in (1, 2) for stream in ("video", "audio"))
        return self.side("sync") == 2 and not suspicious and not others


def decide(judged: Judged) -> tuple[str, float | None, list[str]]:
    """Return the label (``real``, ``fake``, ``inconclusive``), the file's probability and the codes of all reasons."""
    reasons = [(code, effect) for code, effect, holds in _table(judged) if holds]
    effects = {effect for _, effect in reasons}
    if not judged.charges or NO_VERDICT in effects:
        label = "inconclusive"
    elif FAKE in effects:
        label = "fake"
    else:
        label = "inconclusive" if NOT_REAL in effects else "real"
    deciding = [one.probability for one in judged.charges if one.is_proven or not one.only_accuses]
    return label, max(deciding, default=None), [code for code, _ in reasons]


def _table(judged: Judged) -> Iterator[tuple[str, str, bool]]:
    """Yield (code, what it does, whether it holds), in the order in which reasons are told."""
    facts, given, seen = judged.facts, judged.probabilities, judged.seen
    charges, rules, heads = judged.charges, judged.rules, judged.spec["heads"]
    is_judged = {stream: given[stream] is not None or given["fused"] is not None for stream in ("video", "audio")}
    sync_only, proven = judged.only_sync_speaks(), judged.proven
    streams = {stream: given["fused"] is not None and judged.side(stream) == 2 for stream in ("video", "audio")}
    frozen = {one.track for one in seen if one.is_frozen and facts.kind != "still"}
    frozen &= {face.track for face in judged.evidence.faces}
    deciding = {face.track for face in judged.evidence.faces if face.carries_sound}
    deciding = deciding or {face.track for face in judged.evidence.faces}
    only_frozen = bool(frozen) and deciding <= frozen
    large = [one.seen_slots for one in seen if one.height >= rules.aggregate.min_face_height_px]
    long_enough = facts.slots >= facts.shortest
    few = facts.pictures < rules.validity.min_pictures_per_second * facts.shown_slots / 25

    yield "picture_unreadable", NOT_REAL, facts.has_picture and not facts.pictures
    yield "audio_unreadable", NOT_REAL, facts.has_sound and facts.speech_slots is None
    yield "sparse_picture", NOT_REAL, facts.kind == "talking_head" and few
    yield "too_short", NO_VERDICT, not long_enough
    yield "fused_evidence", FAKE, proven("fused") and not sync_only
    for kind in ("video", "audio", "listener", "video_peak", "audio_peak"):
        yield f"{kind}_evidence", FAKE, proven(kind)
    yield "sync_only", NOT_REAL, sync_only
    yield "out_of_sync", NOT_REAL, judged.side("sync") == 2 and not sync_only
    told = len(judged.faces) == 1 and proven(judged.faces[0][1])  # the only face says no more than the file
    yield "face_evidence", NOT_REAL, bool(judged.proven_faces()) and not told
    for stream in ("video", "audio"):
        yield f"{stream}_alone", NOT_REAL, streams[stream] and not proven(stream)
    yield "uncalibrated", NOT_REAL, any(one.point is None for one in charges)
    between = any(one.is_between for one in charges) and not any(one.is_proven for one in charges)
    yield "between_thresholds", NOT_REAL, between
    without_picture = facts.has_picture and not is_judged["video"] and judged.side("audio") == 0
    yield "picture_not_judged", NOT_REAL, without_picture
    yield "frozen_picture", NOT_REAL, only_frozen
    yield "no_picture", NOTE, not facts.has_picture
    yield "no_face", NOTE, facts.has_picture and facts.pictures > 0 and not seen
    yield "face_too_small", NOTE, bool(seen) and given["video"] is None and not large
    expects = {stream: stream in heads and long_enough for stream in ("video", "audio")}
    yield "face_too_short", NOTE, bool(large) and given["video"] is None and expects["video"]
    yield "no_audio", NOTE, not facts.has_sound
    yield "no_speech", NOTE, facts.speech_slots == 0
    yield "speech_too_short", NOTE, bool(facts.speech_slots) and given["audio"] is None and expects["audio"]
    apart = given["sync"] is None and given["video"] is not None and given["audio"] is not None
    yield "never_together", NOTE, apart and "sync" in heads
    for stream in ("video", "audio", "sync"):
        yield f"no_{stream}_head", NOTE, stream not in heads
    yield "frozen_face", NOTE, bool(frozen) and not only_frozen
    yield "still_image", NOTE, facts.kind == "still"
    yield "several_faces", NOTE, len(judged.faces) > 1
