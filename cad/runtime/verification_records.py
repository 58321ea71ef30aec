# SPDX-License-Identifier: Apache-2.0
"""What export/verify.py says of files: findings, one a check, as text and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cad.runtime.golden_differences import Difference

SCHEMA = "cad.verification/1"
#: In the order in which they are made; what comes after a failed one may be missing.
Check = Literal["hash", "load", "key", "version", "spec", "graph", "golden", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: ``hash`` (whose bytes these are), ``load`` (ONNX Runtime opens them), ``key`` and ``version`` and
            ``spec`` (the ModelSpec in the metadata), ``graph`` (inputs and outputs), ``golden`` (recorded outputs),
            ``missing`` (a file of a kit).
        is_right: Whether it is as it should be.
        text: What was found, for a person.
        provider: On which provider, for ``golden``.
        worst: For ``golden``, the worst difference of each output.
    """

    check: Check
    is_right: bool
    text: str
    provider: str | None = None
    worst: tuple[Difference, ...] = ()


@dataclass(slots=True)
class FileReport:
    """What was found about one file.

    Attributes:
        file: Its path.
        sha256: Of its bytes; None if it cannot be read.
        name: Of the packaged weights whose bytes these are, or None.
        kind: ``detector``, ``face``, ``speech`` or ``graph`` (of a kit); None where it is not known.
        spec: Name of the model in its ModelSpec, or None.
        findings: One a check.
    """

    file: Path
    sha256: str | None = None
    name: str | None = None
    kind: str | None = None
    spec: str | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether every check found what it should."""
        return all(one.is_right for one in self.findings)

    def is_right_to_run(self) -> bool:
        """Say whether the graph is one that can be asked for its recorded outputs, whosever it is."""
        return all(one.is_right for one in self.findings if one.check != "hash")

    def add(self, check: Check, is_right: bool, text: str) -> None:
        """Add what a check found."""
        self.findings.append(Finding(check, is_right, text))

    def lines(self) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield f"{self.file}: {'RIGHT' if self.is_right else 'NOT RIGHT'}"
        for one in self.findings:
            yield f"  {'ok ' if one.is_right else 'NO '} {one.check:7} {one.text}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "file": str(self.file),
            "is_right": self.is_right,
            "sha256": self.sha256,
            "name": self.name,
            "kind": self.kind,
            "spec": self.spec,
            "findings": [
                asdict(one) | {"worst": [_finite(asdict(each)) for each in one.worst]} for one in self.findings
            ],
        }


def document_of(path: Path, reports: list[FileReport], unavailable: dict[str, str]) -> dict[str, Any]:
    """Return everything that was found as plain values.

    Args:
        path: What was asked about.
        reports: One a file.
        unavailable: Why each device that was not tried could not be, by its name.
    """
    return {
        "schema": SCHEMA,
        "path": str(path),
        "is_right": all(one.is_right for one in reports),
        "files": [one.to_dict() for one in reports],
        "not_available": unavailable,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: a difference that none is becomes None."""
    return values | {"difference": None if values["difference"] == float("inf") else values["difference"]}
