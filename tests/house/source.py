"""Reading our own source: modules of edge/, their imports, and where a set is iterated."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One source file of the package: its dotted name and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> tuple[Module, ...]:
    """Every hand-written module of edge/; not what a builder of kernels/ writes there."""
    paths = sorted(path for path in (ROOT / "edge").rglob("*.py") if not path.name.startswith("_tflite_capi"))
    return tuple(Module(module_name(path), path, ast.parse(path.read_bytes(), str(path))) for path in paths)


@cache
def floors() -> dict[str, object]:
    return tomllib.loads((ROOT / "tests/house/floors.toml").read_text())


def imports(module: Module) -> Iterator[tuple[str, int]]:
    """Every module that is named by an import, lazy and type-checking ones included, with its line."""
    known = {other.name for other in modules()}
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in known else base), node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
            "import_module",
            "__import__",
        }:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, node.lineno


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def longest(name: str, rooms: list[str]) -> str | None:
    """The room a module belongs to. `edge` alone is the package's own __init__, not a roof over everything."""
    fitting = [room for room in rooms if (name == room if room == "edge" else within(name, room))]
    return max(fitting, key=len, default=None)


# -- sets --------------------------------------------------------------------------------------------------------------

SET_NAMES = {"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
ORDER_MATTERS = {"list", "tuple", "iter", "enumerate", "next", "zip", "map", "filter", "reversed", "dict", "bytes"}


def is_set_annotation(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.BinOp):
        return is_set_annotation(node.left) or is_set_annotation(node.right)
    return getattr(node, "id", getattr(node, "attr", "")) in SET_NAMES


def handle(node: ast.expr) -> str | None:
    """How a scope refers to a variable or to an attribute of self."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return None


def is_set(node: ast.expr, known: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in {"set", "frozenset"}
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return attr in SET_METHODS or (attr == "copy" and is_set(value, known))
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return any(is_set(side, known) or is_keys(side) for side in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            return is_set(body, known) or is_set(orelse, known)
        case _:
            return handle(node) in known


def is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"keys", "items"}


def set_variables(tree: ast.AST, known: set[str]) -> set[str]:
    """Names that are ever a set in this tree: by annotation, or by what is assigned to them."""
    found = set(known)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and is_set_annotation(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and is_set_annotation(node.annotation):
            name = handle(node.target)
            found |= {name, f"self.{name}"} if name else set()
        elif isinstance(node, ast.Assign) and is_set(node.value, found):
            found |= {name for name in map(handle, node.targets) if name}
    return found


def set_iterations(tree: ast.AST) -> Iterator[int]:
    """Lines where the order of a set could reach a result, as far as syntax tells: one scope per class or function."""
    scopes = [node for node in ast.iter_child_nodes(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    top = ast.Module([node for node in ast.iter_child_nodes(tree) if node not in scopes], [])
    for scope in [top, *scopes]:
        known = set_variables(scope, set_variables(top, set()))
        for node in ast.walk(scope):
            looped: list[ast.expr] = []
            if isinstance(node, ast.For | ast.comprehension):
                looped = [node.iter]
            elif isinstance(node, ast.Starred):
                looped = [node.value]
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in ORDER_MATTERS | {"join", "extend", "pop"}:
                    looped = list(node.args)
                if name == "pop" and isinstance(node.func, ast.Attribute) and not node.args:
                    looped = [node.func.value]
            yield from (item.lineno for item in looped if is_set(item, known))
