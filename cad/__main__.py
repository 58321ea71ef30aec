# SPDX-License-Identifier: Apache-2.0
"""Starts the command ``cad-detect``, also as ``python -m cad``: nothing is imported before its faults can be told."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from cad.command import run_command


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command on ``arguments``, those of the program if None.

    Raises:
        SystemExit: Always; its code is one of ``cad.command.ExitCode``.
    """
    words = sys.argv[1:] if arguments is None else arguments

    def work() -> int:
        from cad.cli import run

        return run(words)

    code = run_command(work, "cad-detect", shows_trace="-v" in words or "--verbose" in words)
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while Python shuts down makes no traceback
    raise SystemExit(int(code))


if __name__ == "__main__":
    main()
