# SPDX-License-Identifier: Apache-2.0
"""Tells a stranger whether weights are ours, whole, and right on this machine, and if not, exactly why.

A file is checked in the order in which a program comes to depend on it: whose bytes these are, whether ONNX Runtime
opens them, the ModelSpec in the metadata, inputs and outputs, and what the graph says of recorded inputs on every
provider that is at hand. Nothing is taken from the file but what these checks read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from cad.errors import OptionError, SpecMismatchError, WeightsError, WeightsNotFoundError
from cad.plain_file import read_plain
from cad.runtime.golden_differences import Recorded, golden_records, kit_records, worst_differences
from cad.runtime.providers import CPU, DEVICES, Device, choose_providers
from cad.runtime.session import check_graph, open_model, read_spec
from cad.runtime.verification_records import FileReport, Finding
from cad.spec import METADATA_KEY, SPEC_VERSION
from cad.strict_json import parse_object
from cad.weights import WeightsEntry, list_entries
from cad.weights.registry import MANIFEST_NAME, MAX_MANIFEST_BYTES, MAX_MODEL_BYTES, read_entry
from cad.weights.session import open_session

KIT_NAME, KIT_SCHEMA, REFERENCE_NAME = "kit.json", "cad.kit/1", "reference.npz"
MODEL_NAME = "model.onnx"
#: Inputs and outputs of packaged nets that are no detectors.
_NETS = {
    "face": ((("frames",), ("crops",)), ("boxes", "points", "scores")),
    "speech": ((("input", "state", "sr"),), ("output", "stateN")),
}


def devices_at_hand(asked: Device | None = None) -> tuple[list[Device], dict[str, str]]:
    """Return the devices on which files are tried, and by name why others are not.

    Args:
        asked: Only this one; None for all that there are.

    Raises:
        OptionError: The one that was asked for is not available.
    """
    available = onnxruntime.get_available_providers()
    found: list[Device] = []
    missing: dict[str, str] = {}
    for device in (asked,) if asked else (one for one in DEVICES if one != "auto"):
        try:
            choose_providers(device, None, available)
        except OptionError as error:
            if asked:
                raise
            missing[device] = str(error)
            continue
        found.append(device)
    return found, missing


def verify(path: Path, devices: Sequence[Device]) -> list[FileReport]:
    """Return what is found about a file, about the weights in a folder, or about every file of a kit.

    Args:
        path: An ONNX file, a folder with a ``manifest.json`` or with ONNX files, or a kit.
        devices: On which detectors run the recorded inputs; the other graphs run on the CPU.

    Raises:
        WeightsNotFoundError: There is nothing of the kind there.
        WeightsIntegrityError: A manifest or the recorded vectors cannot be read.
    """
    if (path / KIT_NAME).is_file():
        return verify_kit(path, devices)
    if (path / MANIFEST_NAME).is_file():
        entry = read_entry(path)
        return [verify_file(entry.path, devices, entry)]
    if path.is_dir():
        files = sorted(path.glob("*.onnx"))
        if not files:
            raise WeightsNotFoundError(f"{path} has no {KIT_NAME}, no {MANIFEST_NAME} and no ONNX file")
        return [verify_file(file, devices) for file in files]
    if not path.is_file():
        raise WeightsNotFoundError(f"{path} cannot be read: there is no such file")
    return [verify_file(path, devices)]


def verify_file(file: Path, devices: Sequence[Device], stated: WeightsEntry | None = None) -> FileReport:
    """Return what is found about one file.

    Args:
        file: The file.
        devices: See ``verify``.
        stated: What a manifest beside it says.
    """
    report = FileReport(file)
    content = _read(file, report)
    if content is None:
        return report
    ours = next((entry for entry in list_entries() if entry.sha256 == report.sha256), None)
    _check_hash(report, ours, stated)
    _check_graph(content, report, ours.kind if ours else stated.kind if stated else "detector")
    if report.kind == "detector" and report.is_right_to_run():
        golden = golden_records(ours.path.parent) if ours else golden_records(file.parent) if stated else []
        _check_golden(content, report, golden, devices)
    return report


def verify_kit(folder: Path, devices: Sequence[Device]) -> list[FileReport]:
    """Return what is found about every file of a kit; its own ``kit.json`` says what each must be."""
    try:
        kit = parse_object(read_plain(folder / KIT_NAME, MAX_MANIFEST_BYTES))
        files, reference = kit["files"], kit["reference"]
    except (OSError, ValueError, KeyError) as error:
        report = FileReport(folder / KIT_NAME)
        report.add("load", False, f"it cannot be read: {error}")
        return [report]
    records: dict[str, list[Recorded]] = {}
    reports = [_verify_reference(folder / name, sha256) for name, sha256 in sorted(reference.items())]
    if all(one.is_right for one in reports):
        records = kit_records(folder / REFERENCE_NAME)
    nets = {net["sha256"] for net in kit.get("nets", {}).values()}
    for name, described in sorted(files.items()):
        reports.append(_verify_graph(folder / name, described, records.get(Path(name).stem, []), devices, nets))
    return reports


def _verify_reference(file: Path, sha256: str) -> FileReport:
    report = FileReport(file)
    if _read(file, report) is not None:
        same = report.sha256 == sha256
        report.add("hash", same, "as kit.json states it" if same else _another(report, sha256))
    return report


def _verify_graph(
    file: Path, described: dict[str, Any], records: list[Recorded], devices: Sequence[Device], nets: set[str]
) -> FileReport:
    """Return what is found about a graph of a kit."""
    report = FileReport(file)
    content = _read(file, report)
    if content is None:
        return report
    entry = next((one for one in list_entries() if one.sha256 == report.sha256), None)
    same = report.sha256 == described["sha256"]
    report.name, report.kind = (entry.name, entry.kind) if entry else (None, "graph")
    whose = f", the packaged {entry.name}" if entry else ""
    report.add("hash", same, f"as kit.json states it{whose}" if same else _another(report, described["sha256"]))
    if entry is None and report.sha256 in nets:
        report.add("hash", False, "kit.json calls it a packaged net, and this package has none with its sha256")
    session = _opened(content, report)
    if session is None:
        return report
    _check_described(session, described, report)
    if file.name == MODEL_NAME:
        report.kind = "detector"
        _check_spec(session, report)
        if report.is_right_to_run():
            _check_golden(content, report, records, devices)
    elif records and report.is_right_to_run():
        _add_golden(report, CPU, session, records)
    return report


def _read(file: Path, report: FileReport) -> bytes | None:
    try:
        content = read_plain(file, MAX_MODEL_BYTES)
    except OSError as error:
        report.add("missing", False, f"it cannot be read: {error.strerror or error}")
        return None
    report.sha256 = hashlib.sha256(content).hexdigest()
    return content


def _another(report: FileReport, sha256: str) -> str:
    return f"its sha256 is {report.sha256}, but {sha256} is stated: it is damaged or was replaced"


def _check_hash(report: FileReport, ours: WeightsEntry | None, stated: WeightsEntry | None) -> None:
    if stated is not None and stated.sha256 != report.sha256:
        report.add("hash", False, _another(report, stated.sha256))
    if ours is not None:
        report.name, report.kind = ours.name, ours.kind
        report.add("hash", True, f"these are the bytes of the packaged {ours.name} ({ours.kind})")
        return
    known = ", ".join(entry.name for entry in list_entries())
    report.add("hash", False, f"sha256 {report.sha256} is that of no packaged weights ({known}): it is not ours")


def _opened(content: bytes, report: FileReport) -> Any:
    """Return a session on the CPU, or None where there can be none."""
    try:
        session = open_session(content, report.file.name, (CPU,))
    except WeightsError as error:
        report.add("load", False, str(error))
        return None
    report.add("load", True, f"ONNX Runtime {onnxruntime.__version__} opens it")
    return session


def _check_graph(content: bytes, report: FileReport, kind: str) -> None:
    """Check what the graph is by its kind; one that nobody vouches for is taken for a detector."""
    session = _opened(content, report)
    if session is None:
        return
    if kind == "detector":
        report.kind = "detector"
        _check_spec(session, report)
        try:
            check_graph(session, report.file.name)
            report.add("graph", True, "its inputs and outputs are those of a detector")
        except SpecMismatchError as error:
            report.add("graph", False, str(error))
        return
    choices, outputs = _NETS[kind]
    found = {one.name for one in session.get_inputs()}
    missing = sorted(set(outputs) - {one.name for one in session.get_outputs()})
    right = any(found == set(names) for names in choices) and not missing
    text = f"it takes {', '.join(sorted(found))}" + (f" and lacks the outputs {', '.join(missing)}" if missing else "")
    report.add("graph", right, text)


def _check_spec(session: Any, report: FileReport) -> None:
    """Check the key of the ModelSpec, its version, and what it says."""
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        report.add("key", False, f"the metadata has no {METADATA_KEY!r}; it has {_listed(session)}")
        return
    report.add("key", True, f"the metadata has {METADATA_KEY!r}")
    try:
        stated = json.loads(text)
        version = stated.get("version") if isinstance(stated, dict) else None
    except (ValueError, RecursionError):
        version = None
    if version != SPEC_VERSION:
        report.add("version", False, f"its ModelSpec has version {version}; this package runs version {SPEC_VERSION}")
        return
    report.add("version", True, f"its ModelSpec has version {version}")
    try:
        spec = read_spec(session, report.file.name)
    except WeightsError as error:
        report.add("spec", False, str(error))
        return
    report.spec = spec.name
    report.add("spec", True, f"its ModelSpec is that of {spec.name}")


def _listed(session: Any) -> str:
    return ", ".join(sorted(map(repr, session.get_modelmeta().custom_metadata_map))) or "nothing"


def _check_described(session: Any, described: dict[str, Any], report: FileReport) -> None:
    """Check the names and types of a graph's inputs and outputs against those of kit.json."""
    for what, found in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        now = {one.name: _numpy_name(one.type) for one in found}
        then = {one["name"]: one["type"] for one in described[what]}
        for name in [*then, *(one for one in now if one not in then)]:
            if now.get(name) != then.get(name):
                text = f"{what[:-1]} {name!r} is {now.get(name, 'missing')}; kit.json has {then.get(name, 'none')}"
                report.add("graph", False, text)
                return
    report.add("graph", True, "its inputs and outputs are those of kit.json")


def _numpy_name(kind: str) -> str:
    """Return NumPy's name of ONNX Runtime's name of a type, such as ``tensor(float)``."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64", "float16": "float16"}.get(inner, inner)


def _check_golden(content: bytes, report: FileReport, records: list[Recorded], devices: Sequence[Device]) -> None:
    """Compare with the record on every device; a device that does not start is a finding, too."""
    if not records:
        report.add("golden", True, "no vectors are recorded for these bytes, so nothing is compared")
    for device in devices if records else ():
        try:
            model = open_model(content, report.file.name, device=device)
        except (WeightsError, OptionError) as error:
            report.findings.append(Finding("golden", False, f"on {device}: {error}", device))
            continue
        _add_golden(report, model.providers[0], model.session, records)


def _add_golden(report: FileReport, provider: str, session: Any, records: list[Recorded]) -> None:
    try:
        worst = worst_differences(session, records, provider)
    except Exception as error:  # ONNX Runtime's own exceptions share no root
        report.findings.append(Finding("golden", False, f"on {provider}: it does not run: {error}", provider))
        return
    wrong = [one for one in worst if not one.is_right]
    told = wrong or sorted(worst, key=lambda one: one.difference / max(one.allowed, 1e-12))[-1:]
    text = "; ".join(
        f"{one.output} of {one.case} is off by {one.difference:.3g}, allowed is {one.allowed:.3g}" for one in told
    )
    found = "worst: " if not wrong else ""
    report.findings.append(Finding("golden", not wrong, f"on {provider}: {found}{text}", provider, tuple(worst)))
