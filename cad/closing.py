# SPDX-License-Identifier: Apache-2.0
"""The base for whatever has ``close()`` and may stand in a ``with`` statement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Base of things that hold something until they are closed; leaving the ``with`` block closes them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
