"""The wheel, as someone gets it who never saw the checkout."""

import json
import zipfile
from pathlib import Path

import edge
from tests.house.source import ROOT
from tests.system.conftest import call

IMPORT_ALL = """
import importlib, pkgutil, edge
for module in pkgutil.walk_packages(edge.__path__, "edge."):
    if not module.name.endswith("__main__") and "_child" not in module.name:
        importlib.import_module(module.name)
print(edge.__file__)
"""


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in names(wheel)}
    assert tops == {"edge", f"synedge-{edge.__version__}.dist-info"}


def test_no_module_and_no_data_file_is_lost(checkout, wheel):
    """All but the training scripts, which need a checkout and numpy."""
    wanted = {
        str(path.relative_to(checkout))
        for path in (checkout / "edge").rglob("*")
        if path.is_file() and path.suffix not in {".pyi", ".so", ".pyc"} and "training" not in path.parts
    }
    missing = sorted(wanted - names(wheel))
    assert not missing


def test_every_extension_is_in_the_wheel(checkout, wheel):
    stubs = {path.stem for path in (checkout / "edge").rglob("_*.pyi")}
    built = {Path(name).name.split(".")[0] for name in names(wheel) if name.endswith(".so")}
    assert stubs <= built | {Path(name).stem for name in names(wheel) if name.endswith(".py")}
    assert built


def test_the_command_runs_outside_the_checkout(clean_environment, tmp_path):
    answer = json.loads(call(clean_environment / "bin/synedge", "version", "--json", cwd=tmp_path))
    assert edge.__version__ in json.dumps(answer)
    assert "usage: synedge" in call(clean_environment / "bin/synedge", "--help", cwd=tmp_path)


def test_every_module_imports_without_test_packages(clean_environment, tmp_path):
    where = call(clean_environment / "bin/python", "-I", "-c", IMPORT_ALL, cwd=tmp_path).strip().splitlines()[-1]
    assert where.startswith(str(clean_environment))
    assert not where.startswith(str(ROOT))
