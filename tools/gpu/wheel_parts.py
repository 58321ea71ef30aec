# SPDX-License-Identifier: Apache-2.0
"""Carries wheels, or any large files, in parts to a machine without a network, and installs them there.

::

    python tools/gpu/wheel_parts.py split onnxruntime_gpu-*.whl cad/weights/cad_base_1/model.onnx --into parts
    python tools/gpu/wheel_parts.py join parts --into files          # on the other machine; as many calls as parts came
    python tools/gpu/wheel_parts.py install files --target site
    eval "$(python tools/gpu/wheel_parts.py paths --target site)"    # PYTHONPATH, LD_LIBRARY_PATH

Every part and every whole file is checked by its sha256. Python's own library suffices, since nothing else may be there
yet. docs/gpu.md has the whole way.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
LIST_SUFFIX = ".parts.json"
#: Folders below ``nvidia`` in which packages from PyPI keep libraries, for CUDA 13 and for 12.
LIBRARY_FOLDERS = ("cu13/lib", "cudnn/lib", "*/lib")


class PartsError(Exception):
    """Parts are missing or damaged, or files do not fit; the message says which."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True)
    one = acts.add_parser("split", help="cut files into parts with a list of them")
    one.add_argument("files", nargs="+", type=Path)
    one.add_argument("--into", type=Path, required=True)
    one.add_argument("--part-mib", type=int, default=48)
    one = acts.add_parser("join", help="put files together whose parts are all there, and say which are not")
    one.add_argument("folder", type=Path)
    one.add_argument("--into", type=Path, required=True)
    one = acts.add_parser("install", help="install the wheels of a folder, without a network or dependencies")
    one.add_argument("folder", type=Path)
    one.add_argument("--target", type=Path, required=True)
    one = acts.add_parser("paths", help="print what a shell has to set for what was installed")
    one.add_argument("--target", type=Path, required=True)
    chosen = parser.parse_args(words)
    try:
        if chosen.act == "split":
            for path in chosen.files:
                print(split(path, chosen.into, chosen.part_mib * MIB))
        elif chosen.act == "join":
            return say_what_lacks(join(chosen.folder, chosen.into))
        elif chosen.act == "install":
            install(chosen.folder, chosen.target)
        else:
            print(paths(chosen.target))
    except (PartsError, OSError) as error:
        print(f"wheel_parts: {error}", file=sys.stderr)
        return 1
    return 0


def split(path: Path, folder: Path, part_bytes: int) -> Path:
    """Cut a file into parts in a folder, and return the list of them, which is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    whole, parts = hashlib.sha256(), []
    with path.open("rb") as file:
        for number, content in enumerate(iter(lambda: file.read(part_bytes), b"")):
            whole.update(content)
            name = f"{path.name}.{number:03d}"
            (folder / name).write_bytes(content)
            parts.append({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    listed = folder / f"{path.name}{LIST_SUFFIX}"
    facts = {"file": path.name, "bytes": path.stat().st_size, "sha256": whole.hexdigest(), "parts": parts}
    listed.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return listed


def join(folder: Path, into: Path) -> dict[str, list[str]]:
    """Put together every listed file of a folder, and return by file the parts that are not there yet.

    Raises:
        PartsError: A part or a file is not what the list says.
    """
    lists = sorted(folder.glob(f"*{LIST_SUFFIX}"))
    if not lists:
        raise PartsError(f"{folder} has no list of parts (*{LIST_SUFFIX})")
    into.mkdir(parents=True, exist_ok=True)
    lacking: dict[str, list[str]] = {}
    for listed in lists:
        facts = json.loads(listed.read_text(encoding="utf-8"))
        target = into / Path(facts["file"]).name
        if target.is_file() and digest_of(target) == facts["sha256"]:
            continue
        missing = [part["name"] for part in facts["parts"] if not (folder / Path(part["name"]).name).is_file()]
        if missing:
            lacking[facts["file"]] = missing
            continue
        write_joined(folder, facts, target)
    return lacking


def write_joined(folder: Path, facts: dict[str, object], target: Path) -> None:
    beside = target.with_name(target.name + ".part")
    with beside.open("wb") as file:
        for part in facts["parts"]:  # type: ignore[attr-defined]
            content = (folder / Path(part["name"]).name).read_bytes()
            if hashlib.sha256(content).hexdigest() != part["sha256"]:
                raise PartsError(f"{part['name']} is damaged (sha256); bring it again")
            file.write(content)
    if digest_of(beside) != facts["sha256"]:
        raise PartsError(f"{target.name} is not whole though its parts are (sha256); its list is of another file")
    beside.replace(target)


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return digest(file)


def digest(file: BinaryIO) -> str:
    sha256 = hashlib.sha256()
    for content in iter(lambda: file.read(MIB), b""):
        sha256.update(content)
    return sha256.hexdigest()


def say_what_lacks(lacking: dict[str, list[str]]) -> int:
    for name, missing in lacking.items():
        print(f"{name}: still to come: {', '.join(missing)}")
    return 0 if not lacking else 2


def install(folder: Path, target: Path) -> None:
    """Install every wheel of a folder into another one, which goes first on PYTHONPATH.

    Raises:
        PartsError: There is none, or pip refuses one (for another Python, say).
    """
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise PartsError(f"{folder} has no wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--upgrade",
        "--quiet",
    ]
    done = subprocess.run([*command, "--target", str(target), *map(str, wheels)], capture_output=True, text=True)
    if done.returncode:
        raise PartsError(f"pip does not install {', '.join(one.name for one in wheels)}: {done.stderr.strip()[-500:]}")


def paths(target: Path) -> str:
    """Return lines for a shell: where the installed wheels are, and where CUDA's libraries."""
    lines = [f"export PYTHONPATH={shlex.quote(str(target.resolve()))}${{PYTHONPATH:+:$PYTHONPATH}}"]
    if found := list(library_folders(target)):
        joined = ":".join(map(str, found))
        lines.append(f"export LD_LIBRARY_PATH={shlex.quote(joined)}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}")
    return "\n".join(lines)


def library_folders(target: Path) -> Iterator[Path]:
    """Yield folders with libraries of NVIDIA's packages, in a target folder and in this Python, each once."""
    places = [target / "nvidia"]
    spec = importlib.util.find_spec("nvidia")
    places += map(Path, spec.submodule_search_locations or () if spec is not None else ())
    seen: set[Path] = set()
    for place in places:
        for pattern in LIBRARY_FOLDERS:
            for folder in sorted(place.glob(pattern)):
                if folder.resolve() not in seen and any(folder.glob("lib*.so*")):
                    seen.add(folder.resolve())
                    yield folder.resolve()


if __name__ == "__main__":
    raise SystemExit(main())
