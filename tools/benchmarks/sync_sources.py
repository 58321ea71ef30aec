# SPDX-License-Identifier: Apache-2.0
"""Takes apart why the sync logit moves with the phase of a cut, for `tools/bench.py sync_phase`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from benchmarks.recordings import Recording
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.arrays import ArraySource
from cad.media.records import AudioSamples
from cad.runtime.scorer import Scorer
from cad.speech import Speech, find_speech
from cad.verdict.timeline import clip_line, mean_or_none
from cad.windows import WindowCutter, part_of

#: By how much windows and face paths begin later, in slots, and sound and grid are moved, in seconds.
LATER_SLOTS = (1, 2)
SOUND_SECONDS = (-0.016, -0.008, 0.008, 0.016)
GRID_SECONDS = (0.008, 0.016)


class SourceChanges:
    """Measures by how much each source moves the sync logit of a clip.

    Args:
        model: Name of the weights, or path of their folder or ONNX file; None takes the package's default.
        threads: Threads inside one operator.
    """

    def __init__(self, model: str | None = None, threads: int = 1) -> None:
        self._scorer = Scorer(model, threads=threads)
        self._finder = FaceFinder()

    def of(self, recording: Recording) -> dict[str, float]:
        """Return the mean absolute change of the logit by source; nothing where there is no face or no speech."""
        whole = recording.cut(0.0)
        sound, origin = whole.audio(), whole.info.origin_seconds
        assert sound is not None
        speech = Speech.of_audio(AudioSamples(sound.samples, find_speech(sound)))
        crops = self._crops(whole)
        plain = self._logit(crops, speech) if crops else None
        if plain is None:
            return {}
        later = {slots: self._logit(from_slot(crops, crops[0].first_slot + slots), speech) for slots in LATER_SLOTS}
        paths = []
        for slots, beside in later.items():
            start = recording.first_frame(0.0) + slots
            cut = recording.cut(float(recording.frame_seconds[start]) - recording.begin_seconds)
            first = round((cut.info.origin_seconds - origin) * FRAME_RATE_HZ)
            followed = [replace(one, first_slot=one.first_slot + first) for one in self._crops(cut)]
            paths.append(difference(self._logit(from_slot(followed, crops[0].first_slot + slots), speech), beside))
        changes = {
            "windows": [difference(one, plain) for one in later.values()],
            "face path": paths,
            "sound": [difference(self._logit(crops, moved(speech, sound, by)), plain) for by in SOUND_SECONDS],
        }
        if abs(recording.fps - FRAME_RATE_HZ) > 0.01:
            on_grid = [self._of_source(recording.on_grid(by)) for by in (0.0, *GRID_SECONDS)]
            changes["pictures"] = [difference(one, on_grid[0]) for one in on_grid[1:]]
        return {name: round(float(np.mean(all_of)), 4) for name, all_of in changes.items()}

    def _of_source(self, source: ArraySource) -> float | None:
        sound = source.audio()
        assert sound is not None
        return self._logit(self._crops(source), Speech.of_audio(AudioSamples(sound.samples, find_speech(sound))))

    def _crops(self, source: ArraySource) -> list[FaceCrops]:
        """Return the crops of the face that is seen longest."""
        tracker, tracks = FaceTracker(finder=self._finder), dict[int, list[FaceCrops]]()
        for chunk in source.video_chunks():
            for one in tracker.push(chunk):
                tracks.setdefault(one.track_id, []).append(one)
        for one in tracker.flush():
            tracks.setdefault(one.track_id, []).append(one)
        return max(tracks.values(), key=lambda own: sum(len(one.present) for one in own), default=[])

    def _logit(self, crops: Sequence[FaceCrops], speech: Speech) -> float | None:
        """Return what the product's windows of these crops say."""
        spec = self._scorer.spec
        cutter = WindowCutter(speech, spec.window_frames, spec.hop_frames, spec.min_frames)
        windows = [window for one in crops for window in cutter.push(one)]
        windows += [window for window in cutter.flush() if window.track_id is not None]
        return mean_or_none(clip_line(self._scorer.score(windows), "sync").values)


def from_slot(crops: Iterable[FaceCrops], slot: int) -> list[FaceCrops]:
    """Return what there is of a track from a slot on."""
    stops = [(one, one.first_slot + len(one.present)) for one in crops]
    return [part_of(one, max(one.first_slot, slot), stop) for one, stop in stops if stop > slot]


def moved(speech: Speech, sound: AudioSamples, seconds: float) -> Speech:
    """Return speech in the same slots, of a sound that is heard later (or earlier) by so much."""
    return Speech.of_audio(AudioSamples(later(sound.samples, round(seconds * SAMPLE_RATE_HZ)), speech.present))


def later(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return samples moved on by ``count`` (back where it is negative), zeros where there are none.

    Example:
        >>> later(np.float32([1, 2, 3]), 1).tolist(), later(np.float32([1, 2, 3]), -1).tolist()
        ([0.0, 1.0, 2.0], [2.0, 3.0, 0.0])
    """
    padded = np.pad(samples, (max(count, 0), max(-count, 0)))
    return padded[max(-count, 0) :][: len(samples)]


def difference(one: float | None, other: float | None) -> float:
    return abs(one - other) if one is not None and other is not None else np.nan
