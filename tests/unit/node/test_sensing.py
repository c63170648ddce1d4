"""Windows become inferences."""

from edge.effects import Infer
from edge.limits import AGENTS_MAX, TICKETS_MAX
from edge.sense.options import agent_options
from edge.sense.reading import Reading
from edge.sense.senses import Senses
from tests.builders import World


def test_what_peers_have_open_sheds_no_window_of_as_many_agents_as_there_can_be():
    table = {"source": "s", "model": "", "decide": {"kind": "value"}}
    senses = Senses([agent_options({**table, "name": f"a{number}"}, ["x"]) for number in range(AGENTS_MAX)])
    world = World(["a"])
    node = world.boot("a", link=False, senses=senses).node
    while node.counts()["open_tickets"] < TICKETS_MAX:
        node._desk.ticket(lambda result, now: None)
    due = [effect for effect in node.read(Reading("s", 1, (1.0,)), world.now) if isinstance(effect, Infer)]
    assert [effect.agent for effect in due] == list(senses.names)
    for effect in due[:-1]:
        node.inferred(effect.ticket, (), world.now)
    due = [effect for effect in node.read(Reading("s", 2, (1.0,)), world.now) if isinstance(effect, Infer)]
    assert len(due) == AGENTS_MAX - 1 and senses.tally().shed == AGENTS_MAX, "one is still open, so one has no ticket"
