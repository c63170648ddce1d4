"""`synedge bench flood` for seconds: a real site, somebody who misbehaves in every way, and what the others notice."""

from argparse import ArgumentParser

from edge.lab.benches import flood


def measure(*argv: str):
    parser = ArgumentParser()
    flood.arguments(parser)
    return flood.measure(parser.parse_args(argv))


def test_every_kind_is_said_and_nobody_loses_a_vertex():
    told = measure("--seconds", "1", "--authors", "2", "--rate", "40", "--loud-rate", "200")
    rows = {row["kind"]: row for row in told["rows"]}
    assert list(rows) == [kind.name for kind in flood.KINDS]
    assert told["lost_vertices"] == 0 and all(row["lost"] == 0 for row in rows.values())
    for row in rows.values():
        assert row["said_per_s"] > 20 and row["p50_ms"] > 0 and row["quiet_p99_ms"] > 0 and row["keeper_cpu_s"] > 0
    honest = rows["slow"]["verified"]
    assert rows["greedy"]["bad"] == 0 and rows["greedy"]["verified"] > honest, "the member's own vertices are good"
    assert rows["junk"]["bad"] == 0 and rows["junk"]["refused"] > 20, "junk costs no signature check"
    assert rows["junk"]["verified"] <= 1.5 * 40 + 10, "beside those of the honest"
    assert rows["forged"]["bad"] > 20
    assert rows["frontiers"]["gaps_refused"] > 20
    assert rows["requests"]["frames_in"] > 20
