# SPDX-License-Identifier: Apache-2.0
"""Train a net: ``python tools/train.py fit --config configs/train/finetune.yaml --data.manifest fav.parquet``.

``fit --print_config`` shows every option with its value; ``--run.resume=true`` goes on from a stopped run's last
checkpoint, exactly. ``stages --help`` tells how cad_small is trained from published weights.
"""

from __future__ import annotations

import logging
import os
import sys

# Loaders fork, and NumPy's BLAS with threads of its own may wait for ever in a fork. It reads this when it is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from cad.command import run_command
from cad.training.cli import main, quieten
from cad.training.stages import run_stages
from cad.training.words import with_lists


def train() -> int:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    quieten()
    if sys.argv[1:2] == ["stages"]:
        return run_stages(sys.argv[2:])
    sys.argv[1:] = with_lists(sys.argv[1:])
    main()
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(train, "train"))
