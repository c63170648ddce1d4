"""Every bound is reached by a test. What is not yet stands in a list that may only shrink."""

import ast
import re

from tests.house.source import ROOT
from tests.house.test_tidy import relative, sources

UNTESTED: set[str] = set()


def bounds() -> set[str]:
    tree = ast.parse((ROOT / "edge/limits.py").read_bytes())
    return {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}


def test_every_bound_has_a_test_that_names_it():
    written = "\n".join(path.read_text() for path in sources(".py") if re.match("tests/(?!house/)", relative(path)))
    named = {name for name in bounds() if re.search(rf"\b{name}\b", written)}
    missing = bounds() - named
    assert missing - UNTESTED == set(), "a bound without a test of what happens when it is reached"
    assert UNTESTED - missing == set(), "tested by now: take it off the list"
