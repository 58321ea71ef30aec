# SPDX-License-Identifier: Apache-2.0
"""anonymous_file gives shared memory and spooled input a file without a name, so that nothing stays behind."""

from __future__ import annotations

import os
import sys

if sys.platform == "linux":
    import fcntl

    def anonymous_file(name: str) -> int:
        """Return the descriptor of an empty file in memory; ``name`` shows in /proc alone."""
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

    def seal(fd: int, *, writable: bool) -> None:
        """Fix the size of the file, and its content too unless ``writable``, for everybody who has it open."""
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals if writable else seals | fcntl.F_SEAL_WRITE)

else:
    import tempfile

    def anonymous_file(name: str) -> int:
        """Return the descriptor of an empty file that is unlinked from the start; ``name`` is not used."""
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())

    def seal(fd: int, *, writable: bool) -> None:
        """Do nothing: there are no seals here."""
