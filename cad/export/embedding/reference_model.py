# SPDX-License-Identifier: Apache-2.0
"""Reference vectors of the detector, of the graph from pictures to its logits, and of the net that hears speech."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cad.clock import SAMPLE_RATE_HZ
from cad.export.embedding.reference_records import Case, as_float, made_picture, made_points, made_voice
from cad.runtime.providers import CPU
from cad.spec import OUTPUTS
from cad.speech_net import BLOCK_SAMPLES, CONTEXT_SAMPLES, STATE_SHAPE
from cad.weights.golden import BLOCKS, CASES, CROP_SIZE_PX
from cad.weights.session import open_session

#: Runtimes add up in orders of their own, and steps of eight bits make more of it.
_LOGITS = 0.02
_PROBABILITY = 1e-3
#: Slots of the window that goes through the whole graph, and the size of its pictures: small, so that the file is.
_FULL_SLOTS, _FULL_HEIGHT, _FULL_WIDTH = 12, 90, 120


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
    yield _full_case(folder)
    yield _speech_case(folder)


def _full_case(folder: Path) -> Case:
    time = range(_FULL_SLOTS)
    points = [[made_points(0.6, 0.02 * slot, (50 + slot, 45 + side)) for slot in time] for side in (0, 10)]
    present = np.ones((2, _FULL_SLOTS), np.float32)
    present[1, 3] = 0.0
    inputs = {
        "pictures": np.stack([made_picture(_FULL_HEIGHT, _FULL_WIDTH, slot) for slot in time]),
        "points": np.array(points, np.float32),
        "frames_present": present,
        "audio": as_float(made_voice())[8 * 640 : (8 + _FULL_SLOTS) * 640],
        "audio_present": np.ones(_FULL_SLOTS, np.float32),
    }
    session = open_session((folder / "cad_full.onnx").read_bytes(), "cad_full", (CPU,))
    outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), inputs), strict=True))
    return Case("cad_full", "two_faces", inputs, outputs, dict.fromkeys(OUTPUTS, _LOGITS))


def _speech_case(folder: Path) -> Case:
    count = CONTEXT_SAMPLES + BLOCK_SAMPLES
    inputs = {
        "input": as_float(made_voice())[8 * 640 : 8 * 640 + count][None],
        "state": np.zeros(STATE_SHAPE, np.float32),
    }
    session = open_session((folder / "speech.onnx").read_bytes(), "speech", (CPU,))
    rate = {"sr": np.array(SAMPLE_RATE_HZ, np.int64)}
    output, state = session.run(["output", "stateN"], inputs | rate)
    said = {"output": output, "stateN": state}
    return Case("speech", "a_block", {**inputs, "sr": SAMPLE_RATE_HZ}, said, dict.fromkeys(said, _PROBABILITY))
