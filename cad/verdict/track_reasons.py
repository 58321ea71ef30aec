# SPDX-License-Identifier: Apache-2.0
"""The reasons that speak of a file's tracks: which of them decided, and why others have no part in the verdict."""

from __future__ import annotations

from cad.verdict.records import Reason

#: Why a track is not judged, whatever it holds.
NOT_JUDGED = {
    "option": Reason("track_not_asked_for", "other tracks were asked for"),
    "limit": Reason("track_over_limit", "the file has more tracks than are judged (MediaLimits.max_tracks)"),
    "time": Reason("track_out_of_time", "the time that a file may take was over before its turn"),
}
SILENT = Reason("no_speech", "it has no speech")
UNREADABLE = Reason("audio_unreadable", "nothing of it could be read")


def same_sound(number: int) -> Reason:
    """Return why a sound was not judged once more."""
    return Reason("same_sound", f"it is sound {number} once more, sample for sample")


def several_tracks(deciding: str, others: list[str]) -> Reason:
    """Return which of several pictures and sounds the verdict is about, and what is said of the others."""
    return Reason("several_tracks", f"{deciding} decided this verdict; of the other tracks: {'; '.join(others)}")


def tracks_left_out(tracks: list[str]) -> Reason:
    """Return the note that some of the file's pictures or sounds have no part in the verdict, and why."""
    return Reason("tracks_left_out", f"not every track was judged: {'; '.join(tracks)}")
