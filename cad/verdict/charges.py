# SPDX-License-Identifier: Apache-2.0
"""Tells the rules which evidence may make a file fake by itself, and where all evidence stands to its thresholds.

Picture and sound together are judged by the fused head, picture alone by the video head, sound alone by the audio
head; a face and speech that are never there at once are judged by both. Beside them stand the faces that only listen,
and the most suspicious stretch of either stream. Where the fused head has judged, a stream by itself stands beside it
if the model has a threshold for that (``cad.spec.ALONE``), under which all of these together keep the rate of genuine
files. Below that threshold, and in a model that has none, it holds back the answer *real* and makes nothing fake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cad.clock import seconds_of
from cad.media.records import MediaKind
from cad.spec import OperatingPoint
from cad.verdict.aggregate import Peak
from cad.verdict.calibrate import Calibrated
from cad.verdict.records import Segment
from cad.verdict.segments import find_segments

#: What the sentences call the evidence.
NAMES = {
    "fused": "picture and sound together",
    "video": "the picture",
    "audio": "the sound",
    "sync": "whether lips and sound belong together",
    "listener": "the picture of a face that does not speak",
}


@dataclass(frozen=True, slots=True)
class Charge:
    """One piece of evidence beside its thresholds.

    Attributes:
        kind: ``fused``, ``video``, ``audio``, ``listener``, ``video_peak`` or ``audio_peak``.
        what: The same in words, with when if it is a stretch.
        probability: Of fake, in [0, 1].
        point: Where the label changes; None if that was never chosen.
        is_calibrated: Whether the probability is one; else it is a raw score.
        only_accuses: Whether it has a say only where it makes the file fake: a stream beside the fused head, which has
            weighed it already.
    """

    kind: str
    what: str
    probability: float
    point: OperatingPoint | None
    is_calibrated: bool = True
    only_accuses: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether it is at or over its threshold for *fake*."""
        return self.point is not None and self.probability >= self.point.fake_threshold

    @property
    def is_between(self) -> bool:
        """Whether it points neither way."""
        if self.point is None or self.only_accuses:
            return False
        return self.point.real_threshold <= self.probability < self.point.fake_threshold


@dataclass(frozen=True, slots=True)
class FaceCharge:
    """What is said of one judged face, beside the thresholds of the head that judged it.

    Attributes:
        track_id: Which face.
        start_seconds: When it is first seen, grid time.
        stop_seconds: When it is last seen (half open).
        head: ``fused`` if it carries the sound, else ``video``.
        probability: Of fake, in [0, 1].
        point: Where the label changes; None if that was never chosen.
    """

    track_id: int
    start_seconds: float
    stop_seconds: float
    head: str
    probability: float
    point: OperatingPoint | None

    @property
    def is_proven(self) -> bool:
        """Whether it is at or over its threshold for *fake*."""
        return self.point is not None and self.probability >= self.point.fake_threshold


def find_charges(evidence: Calibrated) -> list[Charge]:
    """Return the pieces of evidence that may make the file fake by themselves; none if nothing was judged."""
    heads = ["fused"] if evidence.probabilities["fused"] is not None else ["video", "audio"]
    found = [_charge(evidence, head, head, evidence.probabilities[head]) for head in heads]
    found.append(_charge(evidence, "listener", "video", evidence.listeners))
    charges = [charge for charge in found if charge is not None]
    charges += [
        replace(one, what=f"{one.what} by itself", point=point, only_accuses=True)
        for one in find_streams(evidence)
        if (point := evidence.points.get(f"{one.kind}_alone")) is not None
    ]
    # A stretch of a model that chose no thresholds for stretches decides nothing.
    return charges + [
        Charge(f"{one.peak.stream}_peak", peak_name(one.peak), one.probability, one.point)
        for one in evidence.peaks
        if one.point is not None
    ]


def find_streams(evidence: Calibrated) -> list[Charge]:
    """Return the streams that the fused head has judged with others, each beside the thresholds of its own head."""
    if evidence.probabilities["fused"] is None:
        return []
    found = [_charge(evidence, head, head, evidence.probabilities[head]) for head in ("video", "audio")]
    return [charge for charge in found if charge is not None]


def find_faces(evidence: Calibrated) -> list[FaceCharge]:
    """Return what is said of every judged face."""
    tracks = {track.track_id: track for track in evidence.analysis.tracks}
    found = []
    for face in evidence.analysis.evidence.faces:
        own = evidence.faces[face.track_id].own
        head = "video" if face.fused is None else "fused"
        if own is not None:
            track = tracks[face.track_id]
            span = seconds_of(track.first_slot), seconds_of(track.stop_slot)
            found.append(FaceCharge(face.track_id, *span, head, own, evidence.points.get(head)))
    return found


def segments_of(evidence: Calibrated) -> tuple[Segment, ...]:
    """Return the suspicious stretches that reports show."""
    return find_segments(evidence.curves, evidence.points, evidence.peaks)


def peak_name(peak: Peak) -> str:
    """Return a stretch in words.

    Example:
        >>> peak_name(Peak("audio", 675, 768, None, 2.0))
        'the sound from 27.0 s to 30.7 s'
    """
    whose = "" if peak.track_id is None else f" of face {peak.track_id}"
    start, stop = seconds_of(peak.first_slot), seconds_of(peak.stop_slot)
    return f"{NAMES[peak.stream]}{whose} from {start:.1f} s to {stop:.1f} s"


def is_out_of_sync(evidence: Calibrated) -> bool:
    """Say whether synchrony is at or over its threshold."""
    sync, point = evidence.probabilities["sync"], evidence.points.get("sync")
    return sync is not None and point is not None and sync >= point.fake_threshold


def only_sync_speaks(evidence: Calibrated) -> bool:
    """Say whether lips and sound do not belong together, while neither picture nor sound by itself is suspicious."""
    proven = [charge.kind for charge in find_charges(evidence) if charge.is_proven and charge.kind != "fused"]
    proven += [face.head for face in find_faces(evidence) if face.is_proven and face.head != "fused"]
    return (
        is_out_of_sync(evidence)
        and not is_suspicious(evidence, "video")
        and not is_suspicious(evidence, "audio")
        and not proven
    )


def is_suspicious(evidence: Calibrated, head: str) -> bool:
    """Say whether a head by itself raises suspicion: it was judged, and not below its threshold for *real*."""
    point, value = evidence.points.get(head), evidence.probabilities[head]
    return point is not None and value is not None and value >= point.real_threshold


def looks_real(evidence: Calibrated, head: str) -> bool:
    """Say whether a head was judged and is below its threshold for *real*."""
    point, value = evidence.points.get(head), evidence.probabilities[head]
    return point is not None and value is not None and value < point.real_threshold


def frozen_faces(evidence: Calibrated) -> list[int]:
    """Return the judged faces that never move, by track; none in a still picture, where nothing can."""
    if evidence.analysis.info.kind is MediaKind.IMAGE:
        return []
    frozen = {track.track_id for track in evidence.analysis.tracks if track.is_frozen}
    return [face.track_id for face in evidence.analysis.evidence.faces if face.track_id in frozen]


def is_only_frozen(evidence: Calibrated) -> bool:
    """Say whether the picture that decides is one that never moves: that of all faces, or of all that carry sound."""
    frozen, faces = set(frozen_faces(evidence)), evidence.analysis.evidence.faces
    carriers = {face.track_id for face in faces if face.carries_sound}
    return bool(frozen) and (carriers or {face.track_id for face in faces}) <= frozen


def figures(*values: float) -> Iterable[str]:
    """Return numbers as text: with two digits, or as many as it takes to tell different ones apart.

    Example:
        >>> list(figures(0.5, 0.7)), list(figures(0.6996, 0.7042)), list(figures(0.7, 0.7))
        (['0.50', '0.70'], ['0.700', '0.704'], ['0.70', '0.70'])
    """
    different = len(set(values))
    digits = next((n for n in range(2, 9) if len({f"{value:.{n}f}" for value in values}) == different), 9)
    return [f"{value:.{digits}f}" for value in values]


def _charge(evidence: Calibrated, kind: str, head: str, value: float | None) -> Charge | None:
    if value is None:
        return None
    return Charge(kind, NAMES[kind], value, evidence.points.get(head), head not in evidence.uncalibrated)
