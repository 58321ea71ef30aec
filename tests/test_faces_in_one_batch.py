# SPDX-License-Identifier: Apache-2.0
"""Windows of several faces go into one call of the model, and their scores stand in the order of one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_media import DARK, WholePictureTracker, stand_in_for_faces, talk, write_video

from cad.detector import Detector
from cad.faces.records import FaceCrops
from cad.media.records import VideoFrames
from cad.runtime.feeding import Outputs
from cad.runtime.scorer import Scorer
from cad.windows import Window


class ThreeFaces(WholePictureTracker):
    """Sees three faces, of different red, that flicker (a face that stands still is scored by itself)."""

    def push(self, chunk: VideoFrames) -> list[FaceCrops]:
        (seen,) = super().push(chunk)
        flicker = (np.arange(len(seen.present)) + chunk.first_slot) % 2
        shades = [seen.crops + np.uint8(60 * face) + flicker[:, None, None, None].astype(np.uint8) for face in range(3)]
        return [replace(seen, track_id=face, crops=crops) for face, crops in enumerate(shades)]


def test_windows_of_several_faces_go_into_one_call(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_faces(monkeypatch, ThreeFaces)
    clip = write_video(tmp_path / "a.mp4", 5.0, DARK, talk(5.0))
    calls: list[list[int | None]] = []
    run = Scorer.run

    def noted(self: Scorer, batch: Sequence[Window]) -> Outputs:
        calls.append([one.track_id for one in batch])
        return run(self, batch)

    monkeypatch.setattr(Scorer, "run", noted)
    found = []
    for most in (1, 3, 32):
        del calls[:]
        with Detector(model=str(tiny_weights), threads=1) as detector:
            detector._scorer.batch_windows = most
            found.append(list(detector.analyse(clip).scores))
        sizes = [len(set(call)) for call in calls]
        assert max(map(len, calls)) <= most and max(sizes) == min(most, 3)
    said = [[(score.track_id, score.first_slot, *score.logits.values()) for score in scores] for scores in found]
    assert len(said[0]) > 6
    for one in said[1:]:  # rounding apart, which depends on what stands beside a window
        assert one == [pytest.approx(alone, abs=1e-5) for alone in said[0]]
    assert len({round(one[3], 2) for one in said[0]}) >= 3
