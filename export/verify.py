# SPDX-License-Identifier: Apache-2.0
"""Say whether weights are ours, whole, and right on this machine.

    python export/verify.py model.onnx                 # one file
    python export/verify.py cad/weights/cad_base_1     # a folder of weights
    python export/verify.py KIT                        # every file of an embedding kit
    python export/verify.py KIT --device cuda --json

For every file: whether its sha256 is that of packaged weights (or the one that kit.json states), whether ONNX Runtime
opens it, the key and version of its ModelSpec, its inputs and outputs, and how far it is from recorded outputs on
every provider that is at hand. It needs nothing but `pip install cad-detect`.

Exit codes: 0 everything is right; 4 something is not, and the line that begins with NO says what; 2 wrong usage, or a
device that is not available.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from cad.command import ExitCode, run_command
from cad.runtime.providers import DEVICES
from cad.runtime.verification import devices_at_hand, verify
from cad.runtime.verification_records import document_of


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # fmt: off
    parser.add_argument("path", type=Path, help="an ONNX file, a folder of weights, or a kit")
    parser.add_argument("--device", choices=[one for one in DEVICES if one != "auto"],
                        help="compare recorded outputs on this one only (default: on all that are at hand)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (schema cad.verification/1)")
    # fmt: on
    options = parser.parse_args(words)
    return run_command(lambda: run(options), "verify")


def run(options: argparse.Namespace) -> int:
    devices, unavailable = devices_at_hand(options.device)
    reports = verify(options.path, devices)
    if options.json:
        print(json.dumps(document_of(options.path, reports, unavailable), indent=1))
    else:
        for report in reports:
            print("\n".join(report.lines()))
        for device, why in unavailable.items():
            print(f"not tried on {device}: {why}")
    return ExitCode.OK if all(one.is_right for one in reports) else ExitCode.WEIGHTS


if __name__ == "__main__":
    raise SystemExit(main())
