"""Who may import whom: floors.toml against the imports in the source, lazy ones included."""

import ast
import sys

import pytest

from tests.house.source import ROOT, floors, imports, longest, modules, set_iterations, within

FLOORS = {room: floor for floor in floors()["floor"] for room in floor["rooms"]}
ROOMS = list(FLOORS)


def floor_of(name: str) -> dict:
    return FLOORS[longest(name, ROOMS)]


def pure_modules():
    return [module for module in modules() if floor_of(module.name).get("pure")]


def test_every_module_stands_on_a_floor():
    homeless = [module.where for module in modules() if longest(module.name, ROOMS) is None]
    assert not homeless, f"no floor in tests/house/floors.toml for: {homeless}"


def test_a_floor_imports_only_what_is_below_it():
    wrong = []
    for module in modules():
        mine = floor_of(module.name)
        for name, line in imports(module):
            if not within(name, "edge"):
                continue
            theirs = floor_of(name)
            room, other = longest(module.name, ROOMS), longest(name, ROOMS)
            if theirs["number"] > mine["number"]:
                wrong.append(f"{module.where}:{line} floor {mine['number']} imports {name} of floor {theirs['number']}")
            elif theirs is mine and room != other and mine.get("independent"):
                wrong.append(f"{module.where}:{line} rooms of floor {mine['number']} are independent: imports {name}")
    assert not wrong, "\n".join(wrong)


def test_restricted_rooms_are_imported_only_by_those_named():
    wrong = [
        f"{module.where}:{line} imports {name}"
        for module in modules()
        for name, line in imports(module)
        for room, importers in floors()["restricted"].items()
        if within(name, room) and not any(within(module.name, allowed) for allowed in importers)
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_floors_use_only_the_listed_standard_library():
    allowed = set(floors()["pure"]["stdlib"])
    wrong = [
        f"{module.where}:{line} imports {name}"
        for module in pure_modules()
        for name, line in imports(module)
        if name.partition(".")[0] in sys.stdlib_module_names and name not in allowed
    ]
    assert not wrong, "no clock, chance, thread, socket or file on floors 0 to 4:\n" + "\n".join(wrong)


def test_foreign_packages_come_in_by_one_door():
    doors = floors()["foreign"]
    wrong = [
        f"{module.where}:{line} imports {name}"
        for module in modules()
        for name, line in imports(module)
        if not within(name, "edge")
        and (top := name.partition(".")[0]) not in sys.stdlib_module_names
        and not any(within(module.name, door) for door in doors.get(top, ()))
    ]
    assert not wrong, "a foreign package needs a door in tests/house/floors.toml:\n" + "\n".join(wrong)


def test_pure_floors_never_depend_on_the_order_of_a_set():
    wrong = [f"{module.where}:{line}" for module in pure_modules() for line in set_iterations(module.tree)]
    assert not wrong, "the order of a set is chosen by a hash seed:\n" + "\n".join(wrong)


def test_pure_floors_open_no_files_and_print_nothing():
    calls = {"open", "print", "input", "eval", "exec", "__import__", "hash", "id"}
    wrong = [
        f"{module.where}:{node.lineno} calls {node.func.id}"
        for module in pure_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: pass",
        "def f():\n    s = set()\n    return [x for x in s]",
        "class A:\n    def __init__(self):\n        self.s: set[int] = set()\n    def f(self): return list(self.s)",
        "def f(a: frozenset[int]):\n    return tuple(a)",
        "def f(a: dict, b: dict):\n    for key in a.keys() & b.keys(): pass",
        "def f(a: set[int]):\n    return a.pop()",
        "def f(a: set[int]):\n    return [*a]",
        "def f(a: set[str]):\n    return ','.join(a)",
    ],
)
def test_the_check_for_sets_sees(source):
    assert list(set_iterations(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "def f(a: set[int]):\n    return sorted(a), len(a), 3 in a",
        "def f(a: dict):\n    return list(a)",
        "def f(a: list):\n    return a.pop()",
        "def f(a: int, b: int):\n    return [a - b, a & b]",
    ],
)
def test_the_check_for_sets_lets_pass(source):
    assert not list(set_iterations(ast.parse(source)))


def test_compiled_modules_have_stubs_and_belong_to_a_room():
    table = ast.parse((ROOT / "setup.py").read_bytes())
    names = next(
        [key.value for key in node.value.keys]
        for node in ast.walk(table)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXTENSIONS"
    )
    missing = [name for name in names if not (ROOT / (name.replace(".", "/") + ".pyi")).exists()]
    assert names
    assert not missing, f"no .pyi beside its consumer: {missing}"
