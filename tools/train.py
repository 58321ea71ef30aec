# SPDX-License-Identifier: Apache-2.0
"""Train a CAD net: ``python tools/train.py fit --config configs/train/cad_small.yaml``.

``--print_config`` shows every option with its value; ``--run.resume=true`` goes on from a stopped run's last
checkpoint, exactly.
"""

from __future__ import annotations

import logging

from cad.command import run_command
from cad.training.cli import main, quieten


def train() -> int:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    quieten()
    main()
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(train, "train"))
