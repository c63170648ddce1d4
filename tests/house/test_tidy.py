"""Size and cleanliness of the source. An entry in an allow-list is a decision, with its reason."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

from tests.house.source import ROOT, modules

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

MARKS = re.compile(rf"\b({'TO'}DO|{'FIX'}ME|{'X'}XX|{'HA'}CK)\b")  # spelled so that this line is not one
TEXT = {".py", ".pyi", ".pyx", ".pxd", ".c", ".h", ".sh", ".md", ".toml", ".service", ".conf"}


def sources(*suffixes: str) -> list[Path]:
    """Files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    paths = (ROOT / name for name in listed if name)
    return sorted(path for path in paths if path.suffix in suffixes and path.is_file())


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_nothing_shadows_the_cython_compiler():
    assert not (ROOT / "cython/__init__.py").exists()
    assert not [relative(path) for path in (ROOT / "tests").rglob("cython")]
    importing = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "cython" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cython" and not node.level)
    ]
    assert not importing, "the folder cython/ answers to that name where Cython is not installed"


def test_every_folder_of_python_is_a_package():
    folders = {path.parent for path in sources(".py") if relative(path).split("/")[0] in {"edge", "tests"}}
    missing = sorted(relative(folder) for folder in folders if not (folder / "__init__.py").exists())
    assert not missing, f"no __init__.py in: {missing}"


def test_every_file_says_what_it_is():
    silent = [relative(path) for path in sources(".py") if (tree := parsed(path)).body and not ast.get_docstring(tree)]
    assert not silent, f"no docstring: {silent}"


def test_no_open_marks():
    marked = [
        f"{relative(path)}:{number}"
        for path in sources(*TEXT)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MARKS.search(line)
    ]
    assert not marked, f"do it, or write it down where work is planned: {marked}"


def test_files_fit_the_house():
    long = {
        relative(path): lines
        for path in sources(".py", ".pyx", ".c", ".h")
        if (lines := path.read_bytes().count(b"\n")) > FILE_LINES_MAX
    }
    assert long.keys() == LONG_FILES.keys(), f"over {FILE_LINES_MAX} lines: {long}; allowed: {LONG_FILES}"


def test_functions_fit_a_screen():
    long = {
        f"{relative(path)}:{node.name}": lines
        for path in sources(".py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long.keys() == LONG_FUNCTIONS.keys(), f"over {FUNCTION_LINES_MAX} lines: {long}; allowed: {LONG_FUNCTIONS}"


def test_no_asyncio_of_our_own():
    using = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert not using


def test_skips_have_a_reason():
    """pytest.skip("…"), and a reason in every skip mark; xfail likewise."""
    bare = [
        f"{relative(path)}:{node.lineno}"
        for path in sources(".py")
        if relative(path).startswith("tests/")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in {"skip", "skipif", "xfail"}
        and ast.unparse(node).startswith("pytest.")
        and not reasoned(path, node.lineno)
    ]
    assert not bare


def reasoned(path: Path, line: int) -> bool:
    """Whether the call around this line gives a reason: a keyword, or the text of pytest.skip()."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or line):
            name = ast.unparse(node.func)
            if name == "pytest.skip" and node.args:
                return True
            if name.startswith("pytest.mark.") and any(keyword.arg == "reason" for keyword in node.keywords):
                return True
    return False
