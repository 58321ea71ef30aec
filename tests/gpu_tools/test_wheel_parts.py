# SPDX-License-Identifier: Apache-2.0
"""Wheels travel in parts to a machine without a network: whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tool_module import TOOLS, load_tool

wheel_parts = load_tool("gpu/wheel_parts")
MIB = wheel_parts.MIB


def write_wheel(folder: Path, name: str = "carried", python: str = "py3") -> Path:
    """Write a small wheel with one module and a library of CUDA that is none."""
    path = folder / f"{name}-1.0-{python}-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": "HERE = __file__\n",
        f"{name}/data.bin": os.urandom(3 * MIB).hex(),
        "nvidia/cu13/lib/libcublas.so.13": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: no-such-thing\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {python}-none-any\n",
    }
    record = "".join(f"{one},,\n" for one in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(inside, content)
    return path


def test_a_wheel_goes_in_parts_and_is_imported_on_the_other_side(tmp_path, capsys):
    wheel = write_wheel(tmp_path)
    parts, files, site = tmp_path / "parts", tmp_path / "files", tmp_path / "site"
    assert wheel_parts.main(["split", str(wheel), "--into", str(parts), "--part-mib", "1"]) == 0
    pieces = sorted(parts.glob("*.whl.[0-9]*"))
    assert len(pieces) >= 3 and max(piece.stat().st_size for piece in pieces) == MIB
    late = pieces[1].read_bytes()
    pieces[1].unlink()
    assert wheel_parts.main(["join", str(parts), "--into", str(files)]) == 2
    assert f"still to come: {pieces[1].name}" in capsys.readouterr().out and not list(files.iterdir())
    pieces[1].write_bytes(late)
    for _ in range(2):  # a second time nothing is left to do
        assert wheel_parts.main(["join", str(parts), "--into", str(files)]) == 0
    assert (files / wheel.name).read_bytes() == wheel.read_bytes()
    assert wheel_parts.main(["install", str(files), "--target", str(site)]) == 0
    capsys.readouterr()
    assert wheel_parts.main(["paths", "--target", str(site)]) == 0
    script = (
        capsys.readouterr().out
        + f"{sys.executable} -c 'import carried, os; print(carried.HERE, os.environ[\"LD_LIBRARY_PATH\"])'"
    )
    shown = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout
    assert shown.startswith(str(site / "carried")) and f"{site}/nvidia/cu13/lib" in shown


@pytest.mark.parametrize("harm", ["part", "list", "empty", "no wheel", "other python"])
def test_what_is_damaged_or_does_not_fit_is_said_in_a_line(tmp_path, capsys, harm):
    wheel = write_wheel(tmp_path, python="py2" if harm == "other python" else "py3")
    parts, files = tmp_path / "parts", tmp_path / "files"
    wheel_parts.main(["split", str(wheel), "--into", str(parts), "--part-mib", "1"])
    words = ["join", str(parts), "--into", str(files)]
    if harm == "part":
        piece = parts / f"{wheel.name}.001"
        piece.write_bytes(b"x" + piece.read_bytes()[1:])
    elif harm == "list":
        listed = parts / f"{wheel.name}.parts.json"
        listed.write_text(json.dumps(json.loads(listed.read_text()) | {"sha256": "0" * 64}))
    elif harm == "empty":
        words[1] = str(tmp_path / "nothing")
    elif harm == "no wheel":
        words = ["install", str(parts), "--target", str(tmp_path / "site")]
    else:
        words = ["install", str(tmp_path), "--target", str(tmp_path / "site")]
    assert wheel_parts.main(words) == 1
    says = {"part": "001 is damaged", "list": "is not whole", "empty": "no list", "no wheel": "no wheel"}
    error = capsys.readouterr().err
    assert says.get(harm, "pip does not install carried") in error and error.count("\n") <= 3
    assert not (files / wheel.name).exists()


def test_a_name_in_a_list_leads_nowhere_else(tmp_path):
    (tmp_path / "parts").mkdir()
    facts = {"file": "../../out.bin", "sha256": wheel_parts.hashlib.sha256(b"").hexdigest(), "parts": []}
    (tmp_path / "parts" / "out.bin.parts.json").write_text(json.dumps(facts))
    assert wheel_parts.join(tmp_path / "parts", tmp_path / "files") == {}
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["out.bin"]


def test_it_needs_nothing_but_python():
    code = f"import sys; sys.path.insert(0, {str(TOOLS / 'gpu')!r}); import wheel_parts"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
