# SPDX-License-Identifier: Apache-2.0
"""FaceTracker gives the detector the aligned crops of every face, a moment after it has pushed the pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cad.faces.align import align_face, canonical_points
from cad.faces.cuts import CutDetector
from cad.faces.finder import MAX_FACES, MAX_STILL_FACES, FaceFinder
from cad.faces.outbox import Outbox
from cad.faces.records import CROP_SIZE_PX, FaceCrops, rescaled
from cad.faces.shot import Shot
from cad.faces.track import BRIDGE_SLOTS, LOST_SLOTS
from cad.media.records import VideoFrames

#: Slots between the newest picture and the one whose crops are made: enough to bridge a gap and to smooth.
LAG_SLOTS = BRIDGE_SLOTS
#: Larger pictures (480p has 0.9 MB) come in short chunks, and are held there: the reader sees that they are still used.
COPIED_BYTES = 700_000
#: Not those of longer chunks than the reader's, of which a few pictures would keep all.
LONG_CHUNK_BYTES = 64_000_000
#: Pictures are compared at one place in so many along a side, and only if they agree there as a whole.
_COMPARED_STEP_PX = 32
#: A track of fewer slots than this (0.4 s) is dropped, unless the whole file is shorter.
MIN_TRACK_SLOTS = 10


class FaceTracker:
    """Follows every face of one file; pictures come in chunks and in order.

    At most MAX_FACES are followed at a time, the largest. A track never crosses a cut or a joint, but goes on where the
    picture merely changes its size. Where a face is not seen its crops are marked absent; only gaps of at most
    BRIDGE_SLOTS are bridged. The pictures of the last LAG_SLOTS slots are held, no more.

    Args:
        size_px: Side of the crops.
        margin_px: Margin around the canonical crop on every side (192 with 16 for training).
        finder: Finds the faces; one with the packaged net if None. It may be shared by trackers.
        joint_slots: Where another recording begins (MediaInfo.joint_slots).
        is_still: Whether there is one picture alone, which is searched through and through.

    Raises:
        OptionError: The margins leave nothing of the crop.
        WeightsError: The packaged net is damaged.
    """

    def __init__(
        self,
        size_px: int = CROP_SIZE_PX,
        margin_px: int = 0,
        finder: FaceFinder | None = None,
        joint_slots: Iterable[int] = (),
        is_still: bool = False,
    ) -> None:
        canonical_points(size_px, margin_px)
        self._size_px, self._margin_px = size_px, margin_px
        self._finder = finder or FaceFinder()
        self._cuts = CutDetector()
        self._held: dict[int, NDArray[np.uint8]] = {}
        # Memory of pictures that are no longer held: fresh memory for each would cost more than the copy itself.
        self._spare: list[NDArray[np.uint8]] = []
        self._outbox = Outbox()
        self._most_faces = MAX_STILL_FACES if is_still else MAX_FACES
        self._shot = self._new_shot()
        self._joints = sorted(joint_slots)
        self._size: tuple[int, ...] | None = None
        self._file_scale = 1.0
        self._next_slot = self._last_slot = 0
        self._pictures = 0
        self._left_out = 0

    @property
    def left_out(self) -> int:
        """How many faces of one picture, at most, were seen beside those that were followed."""
        return max(self._left_out, self._shot.left_out)

    def push(self, chunk: VideoFrames) -> list[FaceCrops]:
        """Take the next slots and return the crops that are ready; slots that are left out show nothing.

        Raises:
            ValueError: The chunk does not start after the last one.
        """
        if chunk.first_slot < self._next_slot:
            raise ValueError(f"slot {chunk.first_slot} was pushed before; push every slot once, in order")
        if chunk.first_slot > self._next_slot + LOST_SLOTS:
            self._end_shot()
        for index in range(len(chunk.frames)):
            slot = chunk.first_slot + index
            if self._joints and slot >= self._joints[0]:
                self._joints = [joint for joint in self._joints if joint > slot]
                self._end_shot()
            if chunk.present[index]:
                self._take(slot, chunk.frames[index], chunk.file_scale)
            self._crop_until(slot - LAG_SLOTS + 1)
            for track in self._shot.retire(slot):
                self._outbox.close(track)
        self._next_slot = chunk.first_slot + len(chunk.frames)
        if chunk.frames.nbytes > LONG_CHUNK_BYTES or chunk.frames[0].nbytes <= COPIED_BYTES:
            self._own_what_is_held()
        return self._outbox.collect(MIN_TRACK_SLOTS)

    def flush(self) -> list[FaceCrops]:
        """End the file and return all crops that are left."""
        self._end_shot()
        # In a still picture or a file shorter than the shortest useful track, a face in most of it is useful.
        return self._outbox.collect(min(MIN_TRACK_SLOTS, max(1, self._pictures // 2)))

    def _take(self, slot: int, frame: NDArray[np.uint8], file_scale: float) -> None:
        last, self._size = self._size, frame.shape[:2]
        if self._cuts.push(frame):
            self._end_shot()
        elif last is not None and last != self._size:
            self._change_size(last, self._size)
        self._file_scale = file_scale
        self._pictures += 1
        before, self._last_slot = self._held.get(self._last_slot), slot
        self._held[slot] = frame
        self._shot.push(slot, frame, stands=before is not None and is_same(before, frame))

    def _end_shot(self) -> None:
        self._shot.close()
        self._crop_until(math.inf)
        for track in self._shot.tracks:
            self._outbox.close(track)
        self._left_out = self.left_out
        self._shot = self._new_shot()

    def _change_size(self, last: tuple[int, ...], size: tuple[int, ...]) -> None:
        """Make the crops that are left of the pictures of the ``last`` size, and take the tracks to the new one."""
        self._shot.close()
        self._crop_until(math.inf)
        self._shot.rescale(np.array([size[1] / last[1], size[0] / last[0]], dtype=np.float32))

    def _new_shot(self) -> Shot:
        return Shot(self._finder, self._held.get, self._most_faces)

    def _crop_until(self, stop: float) -> None:
        """Make the crops of all slots before ``stop`` and let go of their pictures."""
        while self._held and (slot := next(iter(self._held))) < stop:
            frame = self._held.pop(slot)
            for track in self._shot.tracks:
                if track.present_at(slot):
                    state = track.state_at(slot)
                    crop = align_face(frame, state.points_px, self._size_px, self._margin_px)
                    self._outbox.add(track, slot, crop, rescaled(state, self._file_scale))
                track.forget_before(slot)
            if frame.base is None:
                self._spare.append(frame)

    def _own_what_is_held(self) -> None:
        """Copy the held pictures out of their chunk, so that the reader can use its memory again."""
        for slot, frame in self._held.items():
            if frame.base is not None:
                own = self._spare.pop() if self._spare else np.empty_like(frame)
                if own.shape != frame.shape:
                    own = np.empty_like(frame)
                np.copyto(own, frame)
                self._held[slot] = own


def is_same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Say whether two pictures are the same, pixel by pixel."""
    step = _COMPARED_STEP_PX
    return (
        one.shape == other.shape
        and np.array_equal(one[::step, ::step], other[::step, ::step])
        # cv2.norm is faster, but a signal may end the process in it (tests/faces/test_interrupted_pictures.py).
        and np.array_equal(one, other)
    )
