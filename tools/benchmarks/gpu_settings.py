# SPDX-License-Identifier: Apache-2.0
"""What tools/bench.py gpu measures, and how it is cut short: shared by the benchmark and the processes of its parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: In this order, with their weight in what is left of the time. What one does not use goes to those behind it.
PARTS = {
    "machine": 1.0,
    "ceilings": 1.5,
    "parity": 4.0,
    "runtime_fp32": 3.0,
    "end_to_end": 4.0,
    "torch_eager": 2.5,
    "runtime_fp16": 3.0,
    "torch_compile": 5.0,
    "tensorrt": 5.0,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured.

    Attributes:
        model: Name of the packaged weights.
        device: ``cuda`` where torch or ONNX Runtime sees a card, else ``cpu``.
        batches: Windows of one call.
        slots: Length of a window.
        seconds: Of measuring one figure, at most.
        rounds: Calls for one figure, at least.
        sides: Sides of the square matrices whose product is timed.
        copy_mib: Size of what is copied.
        clips: Folder of clips whose verdicts are compared.
        clip_seconds, clip_height: Of the clips that are made for the end-to-end figure.
        jobs: Clips judged side by side.
        compiler: Backend of torch.compile.
        fp16_model: ONNX file in float16 from elsewhere; empty: made by ONNX Runtime's own converter.
    """

    model: str
    device: str
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    slots: int = 50
    seconds: float = 1.0
    rounds: int = 3
    sides: tuple[int, ...] = (4096, 8192)
    copy_mib: int = 1024
    clips: str = str(ROOT / "tests" / "golden" / "clips")
    clip_seconds: float = 10.0
    clip_height: int = 720
    jobs: tuple[int, ...] = (1, 4, 8, 16)
    compiler: str = "inductor"
    fp16_model: str = ""

    def write(self, path: Path) -> None:
        """Write them for the processes of the parts."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_settings(path: Path) -> Settings:
    """Return what ``Settings.write`` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def for_cpu(model: str, device: str = "cpu") -> Settings:
    """Return settings for a machine without a card: the same figures of the processor, few and small."""
    return Settings(model, device, (1, 2, 4), sides=(1024,), copy_mib=256, jobs=(1, 2), clip_seconds=5.0)


def for_rehearsal(device: str) -> Settings:
    """Return settings that walk every path in under a minute and measure nothing of worth."""
    return Settings(
        "cad_small_3", device, (1, 2), 12, 0.05, 1, (64,), 4, str(ROOT / "tests" / "golden" / "clips" / "still.jpg"),
        1.0, 240, (1, 2), "eager",
    )  # fmt: skip
