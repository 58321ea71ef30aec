# SPDX-License-Identifier: Apache-2.0
"""The programs in tools/ as modules, for tests of what is in them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[1] / "tools"


def load_tool(name: str) -> ModuleType:
    """Return ``tools/NAME.py`` as a module of the file's name; records in it need to find it by that.

    As when Python runs it, it finds the modules of its own folder.
    """
    file = TOOLS / f"{name}.py"
    name = file.stem
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
