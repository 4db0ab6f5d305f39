"""Loads the scripts of tools/, which are no package, and the packages that they find beside them."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """tools/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    _find_packages()
    module = importlib.util.module_from_spec(spec)
    # Before it runs: dataclasses look their module up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load_from(package: str, name: str) -> ModuleType:
    """tools/PACKAGE/NAME.py as the scripts import it."""
    _find_packages()
    return importlib.import_module(f"{package}.{name}")


def _find_packages() -> None:
    if (tools := str(ROOT / "tools")) not in sys.path:  # there already where a script runs
        sys.path.append(tools)
