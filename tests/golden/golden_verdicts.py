# SPDX-License-Identifier: Apache-2.0
"""What the product says of the golden clips, and how far that may be from what it once said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
CLIPS = tuple(sorted((FOLDER / "clips").glob("*.*[!d]")))
RECORD = FOLDER / "verdicts.json"

#: Processors and versions of the decoders differ by less; a fault in the product makes more of a difference.
PROBABILITY_TOLERANCE = 0.02
#: By unit; for times one slot, and a hair for the rounding of printed seconds.
ALLOWED = {"seconds": 0.0401, "px": 1.0, "fps": 0.01, "share": 0.01}
#: Say nothing of the file (how long it took, where it lies), or the same in thousands of numbers.
NOT_RECORDED = ("seconds", "path", "curves")

Document = dict[str, Any]


def verdicts_now(clips: Sequence[Path] = CLIPS, threads: int = 1) -> dict[str, Document]:
    """Return by file name what the command says of files now; the only place where the tests ask the product."""
    command = [sys.executable, "-m", "cad.cli", "--jsonl", "--device", "cpu", "--threads", str(threads)]
    done = subprocess.run([*command, *map(str, clips)], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"cad-detect ended with {done.returncode}: {done.stderr[-2000:]}")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(document["path"]).name: without(document, NOT_RECORDED) for document in documents}


def without(document: Document, names: Sequence[str]) -> Document:
    """Return a document without some of its fields."""
    return {name: value for name, value in document.items() if name not in names}


def recorded_verdicts() -> dict[str, Document]:
    """Return by file name what the command said when the record was made."""
    record: dict[str, Document] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def record_verdicts(verdicts: Mapping[str, Document]) -> None:
    """Make these verdicts the record."""
    RECORD.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")


def differences(now: Document, then: Document, probability_tolerance: float = PROBABILITY_TOLERANCE) -> list[str]:
    """Return in words how a verdict differs from another by more than the tolerances; nothing if they agree.

    Labels, reason codes, the number of faces and of segments, who talks, and what the file is must be the same;
    sentences may be worded otherwise.
    """
    new, old = facts_of(now), facts_of(then)
    found = [f"{name}: {new[name]!r} instead of {old[name]!r}" for name in new if new[name] != old[name]]
    return found or list(far_apart(measures_of(now), measures_of(then), probability_tolerance))


def facts_of(document: Document) -> dict[str, object]:
    """Return what must be exactly the same; with it, two verdicts have the same measures."""
    media, streams = document["media"], document["streams"]
    return {
        "schema": document["schema"],
        "label": document["label"],
        "reasons": sorted(reason["code"] for reason in document["reasons"]),
        "streams judged": sorted(name for name in streams if streams[name]["probability_fake"] is not None),
        "streams explained": sorted(name for name in streams if streams[name]["reason"] is not None),
        "segments": [segment["stream"] for segment in document["segments"]],
        "faces": [(face["id"], face["talking"], face["probability_fake"] is not None) for face in document["faces"]],
        "media": {name: media[name] for name in ("kind", "width", "height", "audio_hz", "outcome")},
        "has a rate": media["fps"] is not None,
        "has a probability": document["probability_fake"] is not None,
    }


def measures_of(document: Document) -> dict[tuple[str, str], float]:
    """Return every number of a verdict by what it is and its unit, without those that are missing."""
    media = document["media"]
    found = {
        ("probability", "probability"): document["probability_fake"],
        ("duration", "seconds"): media["duration_seconds"],
        ("rate", "fps"): media["fps"],
        ("coverage", "share"): media["coverage"],
        ("offset", "seconds"): offset_seconds(document),
    }
    for name, stream in document["streams"].items():
        found[f"probability of {name}", "probability"] = stream["probability_fake"]
    spans = [(f"face {face['id']}", face) for face in document["faces"]]
    spans += [(f"segment {number}", segment) for number, segment in enumerate(document["segments"])]
    for name, span in spans:
        found[f"start of {name}", "seconds"] = span["start_seconds"]
        found[f"stop of {name}", "seconds"] = span["stop_seconds"]
        found[f"height of {name}", "px"] = span.get("height_px")
        found[f"probability of {name}", "probability"] = span["probability_fake"]
    return {key: value for key, value in found.items() if value is not None}


def offset_seconds(document: Document) -> float | None:
    """Return by how much the sound lags, which stands in the sentence of a reason only; None if nothing is said."""
    for reason in document["reasons"]:
        if reason["code"] == "constant_offset":
            number = re.search(r"(\d+\.\d+) s", reason["text"])
            assert number, f"no seconds in {reason['text']!r}"
            return float(number[1]) * (1 if "lags behind" in reason["text"] else -1)
    return None


def far_apart(
    now: dict[tuple[str, str], float], then: dict[tuple[str, str], float], probability_tolerance: float
) -> Iterator[str]:
    """Yield in words which numbers differ by more than their unit allows."""
    allowed = ALLOWED | {"probability": probability_tolerance}
    for (name, unit), value in now.items():
        if abs(value - then[name, unit]) > allowed[unit]:
            yield f"{name}: {value:g} instead of {then[name, unit]:g} ({unit}, at most {allowed[unit]:g} apart)"
