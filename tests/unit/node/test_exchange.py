"""Who was away gets what it lacks, once."""

from edge.limits import REPAIR_FLIGHT_BYTES
from tests.builders import World, event

AUTHORS = ["a", "b", "c", "d"]


def test_lines_that_name_each_other_come_once_though_no_answer_holds_them_all() -> None:
    world = World([*AUTHORS, "late"])
    machines = dict(zip([*AUTHORS, "late"], world.boot_all(), strict=True))
    for name in AUTHORS:
        machines[name].submit(event(0), urgent=True)
    world.run(3)
    assert world.is_converged()
    machines["late"].kill()
    for number in range(1, 31):
        for name in AUTHORS:
            machines[name].submit(*[event(number, pad=64)] * 60)
        world.run(0.2)
    world.run(3)
    for name in AUTHORS[1:]:
        machines[name].kill()
    late = world.boot("late")
    world.run(12)
    counts = late.node.counts()
    assert world.is_converged() and counts["vertices"] == 4 * 31
    assert counts["parked"] > 0 and counts["requests_sent"] > 1
    assert sum(len(record.payload) for record in late.log) > 1.5 * REPAIR_FLIGHT_BYTES
    assert counts["duplicates"] == 0, "what waits for another line was not asked for once more"
