"""Members say that they hold what others record, after their logs have it; and an author knows when enough have."""

from edge.dag.records import VERTEX
from edge.limits import ITEMS_MAX
from edge.wire.frame import decode_vertex
from edge.wire.items import GROW, Witness
from edge.wire.vertex import Header, decode_header
from tests.builders import Machine, World, event
from tests.unit.node.test_voting import VOTERS, propose, site


def made(machine: Machine) -> list[Header]:
    """What it has made itself, as its log has it."""
    headers = [decode_header(decode_vertex(record.payload).header) for record in machine.log if record.type == VERTEX]
    return [header for header in headers if isinstance(header, Header) and header.author == machine.index]


def words(machine: Machine) -> list[Witness]:
    return [item for header in made(machine) for item in header.items if isinstance(item, Witness)]


def levels(machine: Machine) -> tuple[int, int]:
    status = machine.node.status(machine.world.now)
    return status["seq"], status["witnessed_seq"]


def test_what_a_device_records_is_witnessed_by_the_committee_and_nobody_answers_a_word() -> None:
    world = site("x")
    x = world.machines["x"]
    x.submit(event(1), urgent=True)
    assert levels(x) == (1, 0)
    world.run(5)
    assert levels(x) == (1, 1)
    for name in VOTERS:
        assert words(world.machines[name]) == [Witness(4, x.node.incarnation, 1, made(x)[0].id)]
    made_then = [len(made(machine)) for machine in world.up()]
    world.run(60)
    assert [len(made(machine)) for machine in world.up()] == made_then, "words are not answered with words"


def test_two_of_four_members_are_not_enough_and_a_third_is() -> None:
    world = site("x")
    world.machines["c"].kill()
    world.machines["d"].kill()
    world.machines["x"].submit(event(1), urgent=True)
    world.run(10)
    assert levels(world.machines["x"]) == (1, 0)
    world.boot("c")
    world.run(20)
    assert levels(world.machines["x"]) == (1, 1)


def test_words_ride_with_what_a_member_makes_anyway() -> None:
    world = site("x", witness_ms=60_000.0)
    a, x = world.machines["a"], world.machines["x"]
    x.submit(event(1), urgent=True)
    world.run(5)
    assert made(a) == []
    a.submit(event(2))
    world.run(1)
    assert [header.body is not None for header in made(a)] == [True]
    assert words(a) == [Witness(4, x.node.incarnation, 1, made(x)[0].id)]


def test_a_member_speaks_of_what_its_log_has_before_the_word() -> None:
    world = site("x")
    world.machines["x"].submit(event(1), urgent=True)
    world.run(5)
    for name in VOTERS:
        assert words(world.machines[name])
        seen: list[bytes] = []
        for record in world.machines[name].log:
            header = decode_header(decode_vertex(record.payload).header) if record.type == VERTEX else None
            if isinstance(header, Header):
                assert all(item.id in seen for item in header.items if isinstance(item, Witness))
                seen.append(header.id)


def test_votes_are_not_worth_a_word_and_shared_state_is() -> None:
    world = site("x")
    propose(world.machines["a"], "model", b"one")
    world.run(10)
    assert not any(words(world.machines[name]) for name in VOTERS)
    x = world.machines["x"]
    x.do(x.node.tick(world.now))
    x.node.shared.put(GROW, "seen", b"boiler", world.now)
    world.run(10)
    assert levels(x) == (1, 1)


def test_a_gateway_with_a_seat_acknowledges_and_says_nothing_more() -> None:
    world = World([*VOTERS, "x"], ("d",), voting=VOTERS)
    world.boot_all()
    world.deliver()
    world.machines["a"].kill()
    world.machines["x"].submit(event(1), urgent=True)
    world.run(10)
    assert words(world.machines["d"]) == []
    assert levels(world.machines["x"]) == (1, 1), "b and c say so, and d has acknowledged"


def test_what_is_witnessed_is_known_after_a_restart_and_not_said_again() -> None:
    world = site("x")
    world.machines["x"].submit(event(1), urgent=True)
    world.run(5)
    for name in world.names:
        world.machines[name].stop()
    for name in world.names:
        world.boot(name)
    assert levels(world.machines["x"])[1] == 1
    counts = [len(made(machine)) for machine in world.up()]
    world.run(20)
    assert [len(made(machine)) for machine in world.up()] == counts


def test_a_line_with_damage_is_witnessed_once_it_is_mended() -> None:
    world = site("x", witness_ms=60_000.0)
    a, x = world.machines["a"], world.machines["x"]
    x.submit(event(1), urgent=True)
    world.run(1)
    key = made(x)[0].key
    a.node.graph.lose(key, a.node.graph.place(key)[0])
    a.node.voting.witnessing._wait_ms = 0.0
    a.do(a.node.tick(world.now))
    assert words(a) == [] and a.node.counts()["witnesses_owed"] == 1
    world.run(5)
    assert [word.seq for word in words(a)] == [1]


def test_many_lines_are_witnessed_in_turn() -> None:
    """ITEMS_MAX words fit a vertex; what is owed beyond waits for the next; a word on one's own line rides along."""
    devices = [f"n{number}" for number in range(ITEMS_MAX + 6)]
    world = World(["a", *devices], voting=("a",))
    world.boot_all()
    for name in devices:
        world.machines[name].submit(event(1), urgent=True)
    world.run(10)
    said = [len([item for item in header.items if isinstance(item, Witness)]) for header in made(world.machines["a"])]
    assert said == [ITEMS_MAX, 6 + 1]
