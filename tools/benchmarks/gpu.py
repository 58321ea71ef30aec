# SPDX-License-Identifier: Apache-2.0
"""All about a CUDA card in one command, in under eight minutes: ``python tools/bench.py gpu --out FOLDER``.

Provider check; parity; windows per second for batches of 1 to 256 in fp32 and fp16 with CUDA and, if it loads,
TensorRT, against eager torch and torch.compile, against the card's measured copy and matmul ceilings; clips per second
from file to verdict, with bare decoding beside it. Each part runs in a process of its own with a budget of time, and
what it has measured is in FOLDER at once: rows.jsonl, gpu.json, and gpu.md with the table. What did not run is *not
measured*, with the reason. Without a card the processor's own figures are taken, few and small; --rehearse only walks
the way.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu_settings import PARTS, Settings, for_cpu, for_rehearsal
from benchmarks.gpu_table import table

from cad.errors import OptionError
from cad.weights import default_detector
from cad.whole_files import written_beside

#: --out names a folder.
OUT_IS_FOLDER = True
CHILD = Path(__file__).with_name("gpu_parts.py")
#: A part that has had its time is told so by its own clock; this much later it is killed.
GRACE_SECONDS = 5.0
#: Of the whole run's time, for each part.
LEAST_SHARE = 1 / 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=480.0, help="of the whole run")
    parser.add_argument("--model", help="name of packaged weights; the default detector")
    parser.add_argument("--clips", type=Path, help="folder of clips whose verdicts are compared; the golden clips")
    parser.add_argument("--fp16-model", type=Path, help="the model in float16; by default ONNX Runtime converts it")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="only these")
    parser.add_argument("--rehearse", action="store_true", help="walk every path on next to nothing, in under a minute")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the parts one after the other and return all figures; ``ok`` says whether none of them died."""
    if arguments.out is None:
        raise OptionError("gpu: --out FOLDER is needed, since a run that is stopped leaves there what it has measured")
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    rows_path, settings_path = folder / "rows.jsonl", folder / "settings.json"
    rows_path.unlink(missing_ok=True)
    settings = settings_of(arguments)
    settings.write(settings_path)
    began, until = time.monotonic(), time.monotonic() + arguments.seconds
    died: dict[str, str] = {}
    for place, part in enumerate(arguments.parts):
        left = until - time.monotonic()
        weights = [PARTS[name] for name in arguments.parts[place:]]
        # A part has to start Python, torch and a session before it measures anything.
        budget = min(left, max(left * weights[0] / sum(weights), LEAST_SHARE * arguments.seconds))
        print(f"{part}: {budget:.0f} s at most", file=sys.stderr)
        if left <= 0:
            died[part] = "no time left"
        elif why := run_part(part, settings_path, rows_path, budget):
            died[part] = why
        keep(folder, settings, rows_path, died, time.monotonic() - began, arguments.rehearse)
    return keep(folder, settings, rows_path, died, time.monotonic() - began, arguments.rehearse)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return what to measure on this machine."""
    device = "cuda" if has_card() else "cpu"
    model = arguments.model or default_detector().name
    if arguments.rehearse:
        settings = for_rehearsal(device)
    else:
        settings = Settings(model, device) if device == "cuda" else for_cpu(model)
    changes: dict[str, Any] = {}
    if arguments.clips is not None:
        changes["clips"] = str(arguments.clips)
    if arguments.fp16_model is not None:
        changes["fp16_model"] = str(arguments.fp16_model)
    return replace(settings, **changes)


def has_card() -> bool:
    """Say whether torch sees a CUDA device, asked in another process so that this one never holds the card."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def run_part(part: str, settings_path: Path, rows_path: Path, budget: float) -> str | None:
    """Run one part in a process group of its own; return why it did not end by itself, or None."""
    seconds = max(budget - GRACE_SECONDS, budget / 2)
    command = [sys.executable, str(CHILD), part, str(settings_path), str(rows_path), f"{seconds:.1f}"]
    log = rows_path.with_name(f"{part}.log")
    with log.open("w", encoding="utf-8") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            code = child.wait(budget)
        except subprocess.TimeoutExpired:
            return f"stopped after its {budget:.0f} s"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    if code == 0:
        log.unlink()
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"ended with {code}: {' '.join(lines[-1:])[:300]}"


def keep(
    folder: Path, settings: Settings, rows_path: Path, died: dict[str, str], seconds: float, is_rehearsal: bool
) -> dict[str, Any]:
    """Write what there is so far, as JSON and as a table, and return it."""
    text = rows_path.read_text(encoding="utf-8") if rows_path.exists() else ""
    figures: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "rehearsal": is_rehearsal,
        "model": settings.model,
        "device": settings.device,
        "seconds": round(seconds, 1),
        "died": dict(died),
        "rows": [json.loads(line) for line in text.splitlines() if line.endswith("}")],
        "ok": not died,
    }
    for name, content in (("gpu.json", json.dumps(figures, indent=1) + "\n"), ("gpu.md", table(figures))):
        with written_beside(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return figures
