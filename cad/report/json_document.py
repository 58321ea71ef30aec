# SPDX-License-Identifier: Apache-2.0
"""The verdict as JSON under the schema ``cad.verdict/1``: keys may be added, never renamed or removed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cad.errors import MediaError
from cad.verdict.records import SCHEMA, FaceSummary, Verdict

Document = dict[str, Any]


def verdict_document(verdict: Verdict) -> Document:
    """Return a verdict as plain values that ``json.dumps`` takes."""
    return {
        "schema": SCHEMA,
        "path": verdict.path,
        "label": verdict.label.value,
        "probability_fake": rounded(verdict.probability_fake),
        "streams": {
            stream: {"probability_fake": rounded(evidence.probability_fake), "reason": evidence.reason}
            for stream, evidence in verdict.streams.items()
        },
        "segments": [
            {
                "start_seconds": rounded(segment.start_seconds),
                "stop_seconds": rounded(segment.stop_seconds),
                "stream": segment.stream,
                "probability_fake": rounded(segment.probability_fake),
            }
            for segment in verdict.segments
        ],
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "faces": [face_document(face) for face in verdict.faces],
        "media": {
            "kind": verdict.media.kind,
            "duration_seconds": rounded(verdict.media.duration_seconds),
            "width": verdict.media.width,
            "height": verdict.media.height,
            "fps": rounded(verdict.media.fps),
            "audio_hz": verdict.media.audio_hz,
            "coverage": rounded(verdict.media.coverage),
            "outcome": verdict.media.outcome,
        },
        "model": {
            "name": verdict.model.name,
            "sha256": verdict.model.sha256,
            "providers": list(verdict.model.providers),
        },
        "seconds": {stage: rounded(seconds) for stage, seconds in verdict.seconds.items()},
    }


def face_document(face: FaceSummary) -> Document:
    """Return one face as plain values."""
    return {
        "id": face.track_id,
        "start_seconds": rounded(face.start_seconds),
        "stop_seconds": rounded(face.stop_seconds),
        "height_px": rounded(face.height_px),
        "talking": face.talking,
        "probability_fake": rounded(face.probability_fake),
    }


def error_document(path: str, error: MediaError) -> Document:
    """Return what is written for a file that could not be read."""
    return {"schema": SCHEMA, "path": path, "error": {"code": error.code, "text": error.text}}


def rounded(value: float | None) -> float | None:
    """Return ``value`` with the digits that mean something.

    Example:
        >>> rounded(0.123456789), rounded(None)
        (0.1235, None)
    """
    return None if value is None else round(value, 4)
