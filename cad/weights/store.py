# SPDX-License-Identifier: Apache-2.0
"""Gives the bytes of weights to whoever opens them; the full sha256 is checked every time, before any other use."""

from __future__ import annotations

import hashlib

from cad.errors import WeightsIntegrityError, WeightsNotFoundError
from cad.plain_file import read_plain
from cad.weights.registry import MAX_MODEL_BYTES, WeightsEntry


def read_verified(entry: WeightsEntry) -> bytes:
    """Return the bytes of ``entry`` after checking their sha256; the file is opened once, and these are what it has.

    Raises:
        WeightsNotFoundError: The file that the manifest names is absent, or no regular file of at most MAX_MODEL_BYTES.
        WeightsIntegrityError: The bytes do not have the stated sha256.
    """
    try:
        content = read_plain(entry.path, MAX_MODEL_BYTES)
    except OSError as error:
        raise WeightsNotFoundError(f"{entry.name}: {entry.path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise WeightsIntegrityError(
            f"{entry.name}: {entry.path} has sha256 {found}, but should have {entry.sha256}; "
            "the file is damaged or was replaced: install the package again"
        )
    return content
