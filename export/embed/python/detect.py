# SPDX-License-Identifier: Apache-2.0
"""A verdict on a file with the embedding kit alone: ONNX Runtime, NumPy and PyAV, without the package cad-detect.

    python detect.py KIT FILE [--provider CUDAExecutionProvider] [--threads 2]
    python detect.py --self-test KIT

It prints one JSON object (schema ``cad.embedded/1``). Exit codes: 0 the file was judged (or the self-test passed),
2 wrong usage, 3 the file could not be read, 4 the kit or the provider cannot be used, or the self-test failed.

The way of a file: media.py decodes, grid.py places by time stamps, speech.py finds where somebody speaks, faces.py
follows faces and gives their crops, windows.py cuts what the model sees and runs it, scores.py pools over time and
faces, verdict.py calibrates and decides. docs/embedding.md says the same in numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from faces import Tracker
from grid import place, reach_seconds
from kit import CPU, Kit, KitError
from lips import FaceNotes, speech_loudness
from media import Media, MediaError
from scores import Seen, aggregate
from speech import find_speech
from verdict import Facts, Judged, decide
from windows import Cutter, Sound, Window, score

SCHEMA = "cad.embedded/1"


def detect(path: Path, kit: Kit) -> dict:
    """Return the verdict on a file as plain values.

    Raises:
        MediaError: It cannot be read.
        KitError: A graph of the kit cannot be used.
    """
    media = Media(path)
    shortest = 1 if media.kind == "still" else kit.spec["min_frames"]
    samples, present = media.sound(kit.rules)
    sound = Sound(samples, find_speech(samples, present, kit))
    run = _Run(media, sound, shortest, kit)
    scores = list(score(run.windows(), kit))
    loudness = speech_loudness(sound.samples, sound.speech) if len(sound.speech) else None
    seen = [
        Seen(track, len(notes.slots), notes.height, notes.lips(loudness), notes.is_frozen())
        for track, notes in run.notes.items()
    ]
    slots = max(run.stop_slot, len(sound.speech), *(one.first + len(one.frames_present) for one in scores), 0)
    evidence = aggregate(scores, seen, slots, shortest, kit.rules)
    facts = Facts(
        kind=media.kind,
        has_picture=media.has_picture,
        pictures=run.pictures,
        has_sound=media.has_sound,
        speech_slots=int(sound.speech.sum()) if len(sound.speech) else None,
        slots=slots,
        shortest=shortest,
        shown_slots=run.shown_slots,
    )
    judged = Judged(evidence, seen, facts, kit.spec, kit.rules)
    label, probability, reasons = decide(judged)
    return {
        "schema": SCHEMA,
        "file": str(path),
        "kind": media.kind,
        "label": label,
        "probability_fake": _rounded(probability),
        "streams": {stream: _rounded(judged.probabilities[stream]) for stream in ("video", "audio", "sync")},
        "reasons": reasons,
        "model": kit.spec["name"],
        "provider": kit.provider,
    }


class _Run:
    """Goes through the pictures of a file once; crops are cut into windows as they come, and let go."""

    def __init__(self, media: Media, sound: Sound, shortest: int, kit: Kit) -> None:
        self.media, self.kit = media, kit
        self.cutter = Cutter(sound, kit.spec, shortest)
        self.notes: dict[int, FaceNotes] = {}
        self.pictures = self.shown_slots = self.stop_slot = 0

    def windows(self) -> Iterator[Window]:
        """Yield all windows of the file."""
        rules, media = self.kit.rules, self.media
        tracker = Tracker(self.kit, media.kind == "still")
        waiting: dict[int, list] = {}  # crops of faces that have not been seen for long enough to count
        for slot, picture in self._slots():
            for track, *crop in tracker.push(slot, picture):
                if crop[1] is None:
                    waiting.pop(id(track), None)
                else:
                    yield from self._take(track, crop, waiting, rules.tracker.min_track_slots)
        # In a still picture, or a file shorter than the shortest useful track, a face in most of it counts.
        least = min(rules.tracker.min_track_slots, max(1, self.shown_slots // 2))
        for track, *crop in tracker.end_shot():
            if crop[1] is not None:
                yield from self._take(track, crop, waiting, least)
        yield from self.cutter.end()

    def _slots(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield every slot with its picture, or None where no picture is near enough."""
        stamped = self._counted()
        if self.media.kind == "still":
            for _, picture in stamped:
                self.shown_slots = self.stop_slot = 1
                yield 0, picture
                return
        rules = self.kit.rules
        reach = reach_seconds(self.media.fps, rules.grid.max_reach_seconds, rules.grid.stamp_rounding_seconds)
        for first, count, picture in place(stamped, reach):
            yield from ((slot, None) for slot in range(self.stop_slot, first))
            self.stop_slot = first + count
            self.shown_slots += count
            yield from ((slot, picture) for slot in range(first, first + count))

    def _counted(self) -> Iterator[tuple[float, np.ndarray]]:
        for stamped in self.media.pictures():
            self.pictures += 1
            yield stamped

    def _take(self, track: object, crop: list, waiting: dict[int, list], least: int) -> Iterator[Window]:
        """Take the crop of one slot of a face, which counts once it has been seen in ``least`` slots."""
        held = waiting.setdefault(id(track), [])
        held.append(crop)
        if track.number is None and len(held) < least:
            return
        if track.number is None:
            track.number = len(self.notes)
            self.notes[track.number] = FaceNotes(self.kit)
        for slot, pixels, height in held:
            self.notes[track.number].note(slot, pixels, height)
            yield from self.cutter.push(track.number, slot, pixels)
        held.clear()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main() -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path, help="the folder that export/embedding.py wrote")
    parser.add_argument("file", type=Path, nargs="?", help="a video, a sound or a picture")
    parser.add_argument("--provider", default=CPU, help="what of ONNX Runtime runs the model")
    parser.add_argument("--threads", type=int, default=0, help="threads of the model; 0: every core")
    parser.add_argument("--self-test", action="store_true", help="run the reference vectors of the kit instead")
    options = parser.parse_args()
    if options.self_test == (options.file is not None):
        parser.error("give a FILE, or --self-test and no file")
    try:
        kit = Kit(options.kit, options.provider, options.threads)
        if options.self_test:
            from selftest import run_reference

            return run_reference(kit)
        print(json.dumps(detect(options.file, kit)))
        return 0
    except MediaError as error:
        print(f"detect: {error}", file=sys.stderr)
        return 3
    except KitError as error:
        print(f"detect: {error}", file=sys.stderr)
        return 4


if __name__ == "__main__":
    raise SystemExit(main())
