# SPDX-License-Identifier: Apache-2.0
"""``printable`` makes text from strangers (names of files, tags) harmless to whoever reads it."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return ``text`` with everything written out that a terminal or a browser would obey instead of showing it.

    That is control characters, line ends, marks that turn the direction of writing, characters without width, and
    bytes that are no text (surrogates).

    Example:
        >>> printable("a\x1b[2Jb\u202egpj.mp4")
        'a\\x1b[2Jb\\u202egpj.mp4'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
