# SPDX-License-Identifier: Apache-2.0
"""The reference vectors of the kit: every stage of this program against what the package says of the same inputs.

docs/embedding.md lists the stages and the form of the file. A program in another language does the same from
``reference.json``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import av
import grid
import numpy as np
from kit import Kit, KitError
from lips import FaceNotes
from scores import Score, Seen, aggregate
from speech import find_speech
from track import Face, Track
from verdict import Facts, Judged, decide
from windows import Cutter, Sound

SCHEMA = "cad.reference/1"


def run_reference(kit: Kit) -> int:
    """Run every case, print one line a stage and one for each output that is off; return 0, or 4 if any is."""
    stages: dict[str, list[str]] = {}
    for case in read_cases(kit):
        outputs = STAGES[case["stage"]](kit, case["inputs"])
        off = list(differences(case["outputs"], outputs, case["tolerance"]))
        stages.setdefault(case["stage"], []).extend(f"{case['name']}: {one}" for one in off)
    for stage, off in stages.items():
        print(f"{stage}: {'as the package says' if not off else 'DIFFERENT'}")
        for one in off:
            print(f"  {one}")
    return 4 if any(stages.values()) else 0


def read_cases(kit: Kit) -> list[dict]:
    """Return the cases of ``reference.npz`` with their arrays in place."""
    path = kit.folder / "reference.npz"
    try:
        whole = hashlib.sha256(path.read_bytes()).hexdigest() == kit.document["reference"][path.name]
    except (OSError, KeyError) as error:
        raise KitError(f"{kit.folder} has no reference vectors ({error})") from error
    if not whole:
        raise KitError(f"{path} is damaged or was replaced: its sha256 is not that of kit.json")
    with np.load(path) as stored:
        document = json.loads(bytes(stored["document"]))
        if document["schema"] != SCHEMA:
            raise KitError(f"{path}: the schema is {document['schema']!r}, not {SCHEMA!r}")
        return [_with_arrays(case, stored) for case in document["cases"]]


def _with_arrays(value: Any, stored: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return stored[value["array"]]
        return {key: _with_arrays(one, stored) for key, one in value.items()}
    return [_with_arrays(one, stored) for one in value] if isinstance(value, list) else value


def differences(wanted: dict, found: dict, tolerance: dict) -> Iterator[str]:
    """Yield in words every output that is further off than its tolerance, 0 where none is given."""
    for name, value in wanted.items():
        far = _distance(value, found[name])
        if far > tolerance.get(name, 0):
            yield f"{name} is off by {far:.3g}, allowed is {tolerance.get(name, 0):.3g}"


def _distance(wanted: Any, found: Any) -> float:
    """Return the largest difference of any number, or infinity where something else differs."""
    if isinstance(wanted, np.ndarray) and wanted.dtype != bool:
        if wanted.shape != np.shape(found):
            return math.inf
        return float(np.abs(wanted.astype(np.float64) - found).max(initial=0))
    if isinstance(wanted, np.ndarray):
        return 0.0 if np.array_equal(wanted, found) else math.inf
    if isinstance(wanted, dict) and isinstance(found, dict) and wanted.keys() == found.keys():
        return max((_distance(one, found[key]) for key, one in wanted.items()), default=0.0)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return max((_distance(*pair) for pair in zip(wanted, found, strict=True)), default=0.0)
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(wanted - found)
    return 0.0 if wanted == found else math.inf


def _resampling(kit: Kit, given: dict) -> dict:
    from media import SoundRun
    from mixing import Mixer

    samples, rate = given["samples"], given["rate_hz"]
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
    frame.sample_rate = rate
    sound = grid.SoundGrid()
    channels = tuple(one.name for one in frame.layout.channels)
    run = SoundRun(sound, 0.0, ("flt", layout, rate), Mixer(channels, kit.rules))
    run.push(frame)
    run.end()
    return {"samples": np.pad(sound.end()[0], (0, run.position))[: run.position]}


def _placing(kit: Kit, given: dict) -> dict:
    rules = kit.rules.grid
    reach = grid.reach_seconds(given["fps"], rules.max_reach_seconds, rules.stamp_rounding_seconds)
    stamped = zip(given["seconds"], range(len(given["seconds"])), strict=True)
    return {"placed": [list(one) for one in grid.place(stamped, reach)]}


def _speech_activity(kit: Kit, given: dict) -> dict:
    samples = given["samples"].astype(np.float32) / 32768
    return {"speech": find_speech(samples, np.ones(len(samples) // grid.SAMPLES_PER_SLOT, bool), kit)}


def _windows(kit: Kit, given: dict) -> dict:
    speech = given["speech"]
    samples = np.zeros(len(speech) * grid.SAMPLES_PER_SLOT, np.float32)
    cutter = Cutter(Sound(samples, speech), kit.spec, kit.spec["min_frames"])
    crop = np.zeros((160, 160, 3), np.uint8)
    found = [one for track, slots in given["faces"] for slot in slots for one in cutter.push(track, slot, crop)]
    found += cutter.end()
    return {
        "windows": [[one.first, len(one.frames_present), one.track] for one in found],
        "frames_present": [one.frames_present.astype(int).tolist() for one in found],
        "audio_present": [one.audio_present.astype(int).tolist() for one in found],
    }


def _graph(name: str) -> Any:
    def run(kit: Kit, given: dict) -> dict:
        inputs = {key: value if isinstance(value, np.ndarray) else np.array(value) for key, value in given.items()}
        if "frames_blocks" in inputs:  # pixels of one colour, 20 x 20 of each
            inputs["frames"] = inputs.pop("frames_blocks").repeat(20, axis=2).repeat(20, axis=3)
        session = kit.session(name)
        names = [one.name for one in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


def _track(kit: Kit, given: dict) -> dict:
    faces = [Face(*one, 0.9) for one in zip(given["boxes"], given["points"], strict=True)]
    track = Track(given["slots"][0], faces[0], np.zeros((20, 20)), kit.rules)
    for slot, face in zip(given["slots"], faces, strict=True):
        track.see(slot, face)
    present = [slot for slot in range(given["slots"][-1] + 5) if track.present_at(slot)]
    states = [track.state_at(slot) for slot in present]
    return {
        "present": present,
        "points": np.stack([state.points for state in states]),
        "boxes": np.stack([state.box for state in states]),
        "expected": track.expected_points(given["expected_at"]),
    }


def _lips(kit: Kit, given: dict) -> dict:
    notes = FaceNotes(kit)
    notes.motion_slots, notes.motion = given["slots"], given["motion"].tolist()
    return {"score": notes.lips(given["loudness"])}


def _stillness(kit: Kit, given: dict) -> dict:
    notes = FaceNotes(kit)
    for slot, blocks in enumerate(given["frames_blocks"]):
        notes.note(slot, blocks.repeat(20, axis=0).repeat(20, axis=1), 100.0)
    return {"is_frozen": notes.is_frozen()}


def _verdict(kit: Kit, given: dict) -> dict:
    facts = Facts(**given["facts"])
    seen = [Seen(**one) for one in given["tracks"]]
    present = ("frames_present", "audio_present")
    scores = [Score(**{**one, **{name: np.array(one[name], bool) for name in present}}) for one in given["scores"]]
    evidence = aggregate(scores, seen, facts.slots, facts.shortest, kit.rules)
    judged = Judged(evidence, seen, facts, kit.spec, kit.rules)
    label, probability, reasons = decide(judged)
    return {
        "clip_logits": evidence.clip_logits,
        "faces": [face._asdict() for face in evidence.faces],
        "listeners_video": evidence.listeners_video,
        "peaks": [peak._asdict() for peak in evidence.peaks],
        "faces_at_once": evidence.faces_at_once,
        "probabilities": judged.probabilities,
        "label": label,
        "probability_fake": probability,
        "reasons": reasons,
    }


STAGES = {
    "resampling": _resampling,
    "origin": lambda kit, given: {"origin": grid.origin_seconds(given["video_start"], given["audio_start"])},
    "placing": _placing,
    "speech_activity": _speech_activity,
    "windows": _windows,
    **{name: _graph(name) for name in ("face_crop", "face_look", "face_find", "picture_coarse", "lip_motion", "model")},
    "track": _track,
    "lips": _lips,
    "stillness": _stillness,
    "verdict": _verdict,
}
