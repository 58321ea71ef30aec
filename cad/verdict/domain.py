# SPDX-License-Identifier: Apache-2.0
"""domain_of says which kind of file is judged, for calibration: each kind may have numbers of its own (cad.spec)."""

from __future__ import annotations

from collections.abc import Mapping

from cad.media.records import MediaInfo, MediaKind

_DOMAINS: Mapping[MediaKind, str] = {
    MediaKind.AUDIO: "recording",
    MediaKind.VIDEO: "talking_head",
    MediaKind.IMAGE: "still",
}


def domain_of(info: MediaInfo) -> str:
    """Return one of ``cad.spec.DOMAINS``: what the file holds decides, not what could be judged of it.

    So a film without a face is still no recording: its sound was cut, compressed and mixed as that of films is.
    """
    return _DOMAINS[info.kind]
