"""Who keeps everyone's line, and who its own."""

import pytest

from edge.node.options import KEEP_ALL_MEMBERS_MAX, keeps_all
from tests.builders import roster_of


@pytest.mark.parametrize(
    ("keep", "members", "gateways", "keeps"),
    [
        ("auto", KEEP_ALL_MEMBERS_MAX, 1, True),
        ("auto", KEEP_ALL_MEMBERS_MAX + 1, 1, False),
        ("auto", KEEP_ALL_MEMBERS_MAX + 1, 0, True),
        ("all", KEEP_ALL_MEMBERS_MAX + 1, 1, True),
        ("own", 2, 0, False),
    ],
    ids=["small", "large", "nobody else keeps it", "told to keep all", "told to keep its own"],
)
def test_what_keep_means_in_a_site(keep: str, members: int, gateways: int, keeps: bool) -> None:
    names = [f"n{number}" for number in range(members)]
    assert keeps_all(keep, roster_of(names, tuple(names[:gateways]))[0]) is keeps
