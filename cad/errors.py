# SPDX-License-Identifier: Apache-2.0
"""Gives callers every error that the package raises on purpose, in one tree.

*Cannot decide* is not an error: that is ``Label.INCONCLUSIVE`` with its reasons.
"""

from __future__ import annotations

from pathlib import Path


class CadError(Exception):
    """Root of the tree; ``code`` is a stable, machine-readable name for reports."""

    code = "error"


class OptionError(CadError, ValueError):
    """An option has a value that is not accepted; the message names the accepted ones."""

    code = "bad_option"


class MediaError(CadError):
    """A media file cannot be used.

    Args:
        path: The file as the caller named it.
        text: One line for a person: what is wrong and what to do next.
    """

    code = "unreadable"

    def __init__(self, path: str | Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = Path(path)
        self.text = text

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return type(self), (str(self.path), self.text)


class MediaNotFoundError(MediaError):
    """There is no such file, or it is a directory."""

    code = "not_found"


class MediaUnreadableError(MediaError):
    """The bytes are not media that the decoder knows, or nothing of them decodes."""

    code = "undecodable"


class MissingStreamError(MediaError):
    """The file has neither picture nor sound, or lacks the stream that was asked for."""

    code = "missing_stream"


class MediaLimitError(MediaError):
    """The file exceeds a stated limit (pixels, duration, streams, memory, bytes)."""

    code = "too_large"


class MediaMemoryError(MediaLimitError):
    """Decoding the file needs more memory than it may have."""


class MediaChangedError(MediaError):
    """The file was changed while it was read, and nothing of it could be judged."""

    code = "changed_while_reading"


class MediaTimeoutError(MediaError):
    """The file took longer than it may, or its decoding gave no sign of life, and was stopped."""

    code = "timeout"


class DecoderCrashedError(MediaError):
    """The decoding process died (the caller did not)."""

    code = "crashed"


class UnconfinedError(MediaError):
    """The system does not confine the decoding process, and the caller insists on it; nothing of the file was read."""

    code = "unconfined"


class WeightsError(CadError):
    """Model weights cannot be used."""

    code = "weights"


class WeightsNotFoundError(WeightsError):
    """No weights of that name; the message lists those that exist, the nearest first."""

    code = "weights_not_found"


class WeightsIntegrityError(WeightsError):
    """The bytes of a weights file do not have the sha256 that they should."""

    code = "weights_integrity"


class SpecMismatchError(WeightsError):
    """The model's ModelSpec is absent, malformed or of a version that this package cannot run."""

    code = "spec_mismatch"


class ExportError(CadError):
    """A model could not be exported."""

    code = "export"


class ParityError(ExportError):
    """The exported graph and its torch source disagree; the message has the worst difference."""

    code = "parity"


class DataError(CadError, ValueError):
    """A manifest or shard cannot be trained or scored on; the message names the rows."""

    code = "data"


class DocumentError(CadError, ValueError):
    """A text is not a document under the schema that it should have; the message names the key."""

    code = "document"


class MissingExtraError(CadError, ImportError):
    """An optional dependency is absent; the message says which extra to install."""

    code = "missing_extra"


class AnalysisFailedError(MediaError):
    """A fault of this package or of its runtime while a file was analysed; the others of a batch go on."""

    code = "internal"
