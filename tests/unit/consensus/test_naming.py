"""Which vertices ours names, where all committees of a site together are more than it has room for."""

from edge.consensus.agreement import Agreement
from edge.consensus.committee import Committee, Seats
from edge.limits import PARENTS_MAX
from edge.wire.items import Proposal, Question
from tests.agreement.council import SITE
from tests.unit.consensus.test_epochs import Scene

LARGE = Seats("site", 1, tuple(range(31)), Committee(31, 10))
CELL = Seats("cell-a", 1, (31, 32, 33, 34), Committee(4, 1))
THERE, HERE = (Question(scope, 1, "model", 1, None) for scope in ("cell-a", "site"))


def seated(index: int) -> Scene:
    """As this member sees it, once everybody has said something."""
    scene = Scene()
    scene.agreement = Agreement(SITE, index, scene.graph)
    scene.agreement.seat([CELL, LARGE], (40,))
    for author in range(35):
        scene.say(author, epoch=1)
    return scene


def named(scene: Scene) -> set[int]:
    parents = scene.agreement.naming.parents(PARENTS_MAX)
    assert len(parents) == PARENTS_MAX
    return {parent.author for parent in parents}


def test_who_votes_in_a_cell_names_its_members_however_much_the_site_says() -> None:
    assert {32, 33, 34} <= named(seated(31))
    assert named(seated(0)) == {*range(1, 32)}, "and who votes on the site those of the site"


def test_who_asks_in_our_scope_comes_before_members_of_other_scopes() -> None:
    scene = seated(31)
    scene.say(40, Proposal(THERE, b"x"), epoch=1)
    scene.say(30, Proposal(THERE, b"y"), epoch=1)
    assert {30, 32, 33, 34, 40} <= named(scene)
    parents = scene.agreement.naming.parents(PARENTS_MAX)
    scene.agreement.naming.named(parents)
    above = [scene.lines[parent.author].head for parent in parents]
    scene.say(31, above=[head for head in above if head is not None], epoch=1)
    for author in range(35):
        scene.say(author, epoch=1)
    assert 30 not in named(scene), "it has been named"


def test_who_asks_in_another_scope_does_not() -> None:
    scene = seated(31)
    scene.say(40, Proposal(HERE, b"x"), epoch=1)
    assert 40 not in named(scene)
