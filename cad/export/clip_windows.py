# SPDX-License-Identifier: Apache-2.0
"""Windows of clips, read, tracked and cut as for a verdict: what an exported graph is calibrated and measured on."""

from __future__ import annotations

from pathlib import Path

from cad.closing import Closing
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.pool import MediaPool
from cad.media.records import MediaKind
from cad.sounds import hear_sounds
from cad.spec import ModelSpec
from cad.windows import Window, WindowCutter


class WindowReader(Closing):
    """Reads files as the windows of the face that is seen longest, or of the speech where there is no picture.

    It keeps one decoding process warm for all of them.

    Args:
        spec: Of the model that the windows are for.

    Raises:
        WeightsError: The packaged face net is damaged.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._pool = MediaPool()
        self._finder = FaceFinder()

    def close(self) -> None:
        """End the decoding process."""
        self._pool.close()

    def read(self, file: Path, most: int) -> list[Window]:
        """Return up to ``most`` windows, from the first to the last; none where there is neither face nor speech.

        All windows of the file are held for a moment, 4 MB each: it is for clips, not for films.

        Raises:
            MediaError: The file cannot be read.
        """
        with self._pool.open(file) as source:
            info, spec = source.info, self._spec
            is_still = info.kind is MediaKind.IMAGE
            (sound, *_), _ = hear_sounds(source, [info.audio.number] if info.audio is not None else [], lambda: None)
            shortest = 1 if is_still else spec.min_frames
            cutter = WindowCutter(sound.speech, spec.window_frames, spec.hop_frames, shortest, info.joint_slots)
            tracks: dict[int, list[FaceCrops]] = {}
            if info.video is not None:
                tracker = FaceTracker(finder=self._finder, joint_slots=info.joint_slots, is_still=is_still)
                for found in (*map(tracker.push, source.video_chunks()), tracker.flush()):
                    for crops in found:
                        tracks.setdefault(crops.track_id, []).append(crops)
            longest = max(tracks.values(), key=lambda own: sum(int(one.present.sum()) for one in own), default=[])
            windows = [window for crops in longest for window in cutter.push(crops)]
            windows += [window for window in cutter.flush() if (window.track_id is not None) == bool(tracks)]
            sound.close()
        return spread(windows, most)


def spread(windows: list[Window], most: int) -> list[Window]:
    """Return up to ``most`` of ``windows``, from the first to the last at even distances."""
    if len(windows) <= most:
        return windows
    if most == 1:
        return [windows[len(windows) // 2]]
    return [windows[round(index * (len(windows) - 1) / (most - 1))] for index in range(most)]
