# SPDX-License-Identifier: Apache-2.0
"""Reference vectors of the detector: the golden inputs, and what the model of the kit says of them on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cad.export.embedding.reference_records import Case
from cad.runtime.providers import CPU
from cad.spec import OUTPUTS
from cad.weights.golden import BLOCKS, CASES, CROP_SIZE_PX
from cad.weights.session import open_session

#: Runtimes add up in orders of their own, and steps of eight bits make more of it.
_LOGITS = 0.02


def model_cases(folder: Path) -> Iterator[Case]:
    """Yield the cases; frames are given as blocks of pixels of one colour, to be repeated along height and width."""
    session = open_session((folder / "model.onnx").read_bytes(), "model", (CPU,))
    side = CROP_SIZE_PX // BLOCKS
    for case in CASES:
        inputs = case.inputs()
        outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), inputs), strict=True))
        given = {"frames_blocks": inputs["frames"][:, :, ::side, ::side]}
        given |= {name: inputs[name] for name in ("audio", "frames_present", "audio_present")}
        yield Case("model", case.name, given, outputs, dict.fromkeys(OUTPUTS, _LOGITS))
