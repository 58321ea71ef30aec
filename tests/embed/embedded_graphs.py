# SPDX-License-Identifier: Apache-2.0
"""Pictures, and the kit's graphs as functions, for tests of the graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime

from cad.faces.align import canonical_points

TESTS = Path(__file__).resolve().parents[1]
#: The detector of the kit in these tests.
MODEL = "cad_small_3"
#: The packaged constant: the rate of the sound and the samples of a slot.
RATE_HZ, SLOT_SAMPLES = 16_000, 640

Graph = Callable[..., dict[str, np.ndarray]]


def in_onnx_runtime(file: Path) -> Graph:
    """A graph that ONNX Runtime runs; inputs and outputs by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))


def in_openvino(file: Path) -> Graph:
    """A graph that OpenVINO runs in float32: unasked it takes bfloat16, and quantises what int8 weights multiply."""
    import openvino

    core = openvino.Core()
    asked = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(file), "CPU", asked)

    def run(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        results = compiled(inputs)
        return {name: np.array(results[port]) for port in compiled.outputs for name in port.get_names()}

    return run


def photograph() -> np.ndarray:
    picture = cv2.imread(str(TESTS / "data" / "astronaut.jpg"))
    return np.ascontiguousarray(picture[..., ::-1])


def frames_of(clip: str, count: int) -> np.ndarray:
    """The first pictures of a golden clip, (time, height, width, 3)."""
    pictures = []
    with av.open(str(TESTS / "golden" / "clips" / clip)) as container:
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == count:
                break
    return np.stack(pictures)


def sound_of(clip: str, samples: int) -> np.ndarray:
    """The first samples of a golden clip's sound."""
    resampler = av.AudioResampler("flt", "mono", RATE_HZ)
    with av.open(str(TESTS / "golden" / "clips" / clip)) as container:
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts)[:samples].astype(np.float32)


def pictures_with_faces() -> dict[str, np.ndarray]:
    picture = photograph()
    tilt = cv2.getRotationMatrix2D((160, 160), 30, 0.8)
    return {
        "photograph": picture,
        "large": cv2.resize(picture, (1500, 1500), interpolation=cv2.INTER_CUBIC),
        "small": cv2.resize(picture, (110, 110), interpolation=cv2.INTER_AREA),
        "tilted": cv2.warpAffine(picture, tilt, (400, 300)),
        "dark": (picture * 0.2).astype(np.uint8),
        "several": frames_of("several_faces.mp4", 1)[0],
        "talking": frames_of("talking.mp4", 1)[0],
    }


def placed_points(rng: np.random.Generator, picture: np.ndarray, count: int) -> np.ndarray:
    """Five points each of faces of many sizes and turns, some of which reach out of the picture, (count, 5, 2)."""
    height, width = picture.shape[:2]
    upright = canonical_points() - canonical_points().mean(axis=0)
    places = []
    for scale, turn in zip(np.geomspace(0.15, 4.0, count), rng.uniform(-3, 3, count), strict=True):
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        places.append(upright @ matrix.T + rng.uniform(0, 1, 2) * [width, height] + rng.normal(0, scale, (5, 2)))
    return np.array(places, dtype=np.float32)


def window_of_faces(faces: int, slots: int) -> dict[str, np.ndarray]:
    """Inputs of ``cad_full``: pictures in which a photograph moves, points that follow it, and a clip's sound."""
    picture = cv2.resize(photograph(), (480, 360))
    upright = canonical_points() * np.float32(0.8)
    places = np.array([[40.0 * face + 60 + slot, 60.0 + 15 * face] for face in range(faces) for slot in range(slots)])
    present = np.ones((faces, slots), dtype=np.float32)
    present[:, 2] = 0
    points = (upright[None] + places[:, None]).reshape(faces, slots, 5, 2).astype(np.float32)
    points[:, 2] = np.nan
    return {
        "pictures": np.stack([np.roll(picture, slot, axis=1) for slot in range(slots)]),
        "points": points,
        "frames_present": present,
        "audio": sound_of("talking.mp4", slots * SLOT_SAMPLES),
        "audio_present": np.ones(slots, dtype=np.float32),
    }
