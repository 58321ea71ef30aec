# SPDX-License-Identifier: Apache-2.0
"""The options of a calibration."""

from __future__ import annotations

from dataclasses import dataclass

from cad.errors import OptionError

#: Fewer rows of a class say nothing of a threshold that one genuine file in twenty may reach.
LEAST_DOMAIN_ROWS = 20


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """How a model is calibrated.

    Attributes:
        split: Of the manifest, the rows that are fitted on.
        max_fpr: Highest share of genuine clips that may be called fake, in [0, 1].
        max_miss: Share of fakes that may be called real, in [0, 1].
        desync_clips: From how many genuine clips the sync head's fakes are made.
        clips: At most so many rows of each class; 0 takes all.
        threads: Of the model; 0 takes every core.
        keep_heads: Whether scaling and operating points of the heads stay: only peaks and several faces are fitted.
        domain_rows: Rows of each class without which a kind of file gets no numbers of its own.
        kinds: With scores, the kinds of file whose numbers are fitted (``cad.spec.DOMAINS``); all others and the plain
            ones stay. Empty for everything.
        still_frames: Out of how many clips of each class, at most, a frame is cut as a still; 0 cuts none.
    """

    split: str = "val"
    max_fpr: float = 0.05
    max_miss: float = 0.1
    desync_clips: int = 40
    clips: int = 0
    threads: int = 0
    keep_heads: bool = False
    domain_rows: int = 40
    still_frames: int = 0
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.domain_rows < LEAST_DOMAIN_ROWS:
            raise OptionError(
                f"a kind of file needs {LEAST_DOMAIN_ROWS} rows of each class; {self.domain_rows} are fewer"
            )
