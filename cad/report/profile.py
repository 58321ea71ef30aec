# SPDX-License-Identifier: Apache-2.0
"""Shows where the time of a verdict went, for ``cad-detect --profile``: seconds and share of every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from cad.printable import printable
from cad.verdict.records import Verdict

if TYPE_CHECKING:
    from cad.detector import Result

#: What every stage is, in the order in which a file goes through them.
STAGES = {
    "open": "opening the file and surveying its packets, in the decoding process",
    "hear": "waiting for the sound, and finding speech in it",
    "read": "waiting for pictures to be decoded",
    "faces": "finding, following and cutting out faces",
    "wait": "waiting for the nets to catch up",
    "score": "the nets on windows of face and sound",
}
#: Stages that run beside the others while there are pictures, so that shares add up to more than all.
BESIDE = ("score",)


class ProfileWriter:
    """Writes the stages of every file as soon as it is done.

    Args:
        out: Where to write.
        start_seconds: From the start of the program to the first file: imports, nets, the decoding process.
    """

    def __init__(self, out: TextIO, start_seconds: float) -> None:
        self._out = out
        self._start_seconds = start_seconds
        self._told_start = False

    def take(self, result: Result) -> None:
        """Write the stages of a file; nothing of one without a verdict."""
        if result.verdict is None:
            return
        if not self._told_start:
            self._told_start = True
            print(f"start of the program: {self._start_seconds:.2f} s", file=self._out)
        print(profile_text(result.verdict), file=self._out, flush=True)

    def close(self, left_out: str = "") -> None:
        """Nothing is left to write."""


def profile_text(verdict: Verdict) -> str:
    """Return one line a stage: wall-clock seconds, their share of the whole, and what it is."""
    seconds = verdict.seconds
    total = max(seconds["total"], 1e-9)
    counted = sum(spent for stage, spent in seconds.items() if stage not in (*BESIDE, "total"))
    rows = [(stage, seconds[stage], what) for stage, what in STAGES.items() if stage in seconds]
    # While pictures come the nets run beside; what they still do afterwards is in nobody's way.
    after = max(0.0, total - counted)
    rows.append(("rest", after, "what is left: the nets where they run alone, and the verdict"))
    duration = verdict.media.duration_seconds
    length = f" for {duration:.2f} s of media" if duration else ""
    lines = [f"{printable(verdict.path)}: {total:.2f} s{length}"]
    for stage, spent, what in rows:
        beside = " (beside the other stages)" if stage in BESIDE else ""
        lines.append(f"  {stage:<6}{spent:7.2f} s {spent / total:5.0%}  {what}{beside}")
    return "\n".join(lines)
