# SPDX-License-Identifier: Apache-2.0
"""Train a CAD net: ``python tools/train.py fit --config configs/train/cad_small.yaml``.

``--print_config`` shows every option with its value; ``--run.resume=true`` goes on from a stopped run's last
checkpoint, exactly.
"""

from __future__ import annotations

import logging
import sys

from cad.errors import CadError
from cad.training.cli import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        main()
    except CadError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
