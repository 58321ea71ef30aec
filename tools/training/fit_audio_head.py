# SPDX-License-Identifier: Apache-2.0
"""Fit the audio head on statistics of the frozen speech encoder (see ``cad.training.audio_head``).

    python tools/training/fit_audio_head.py --config configs/train/audio_head.yaml
    python tools/training/fit_audio_head.py --config configs/train/audio_head.yaml --start_from cad_small

Writes ``model.safetensors`` and ``metrics.json``: the AUC on val and, by heads that did not see them, on the sources of
train. The first gives the keys ``audio_head.*`` and ``standardize_speech.*`` for ``start_from`` of a training
configuration; the second a whole net, that of the named weights with another audio head, for export/to_onnx.py. The
statistics are kept in the folder, so that a stopped run goes on.
"""

from __future__ import annotations

import logging

from jsonargparse import auto_cli

from cad.command import run_command
from cad.training.audio_head import fit_audio_head


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    auto_cli(fit_audio_head, as_positional=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, "fit_audio_head"))
