"""`synedge bench finality` for seconds: a committee that decides alone, and beside authors who gossip."""

from argparse import ArgumentParser

from edge.lab.benches import finality


def test_a_committee_decides_while_others_gossip_and_both_are_measured():
    parser = ArgumentParser()
    finality.arguments(parser)
    quick = ["--committee", "3", "--decisions", "2", "--slept", "1"]
    told = finality.measure(parser.parse_args([*quick, "--bulk", "2", "--bulk-rate", "200", "--bulk-seconds", "4"]))
    assert told["alone"]["decisions"] == 2 and told["finality_ms"] == told["alone"]["finality_ms"]
    assert told["certificate"]["bytes"] > 2 * 3_309 and told["certificate"]["verify_ms"] > 0
    beside = told["beside_bulk"]
    assert 1 <= beside["decisions"] <= 2
    assert (
        min(beside["bulk"]["vertices_per_s_at_members"]) > 0 and len(beside["bulk"]["vertices_per_s_at_members"]) == 3
    )
    assert beside["cpu_ms"] > 0
    alone_ms, beside_ms = told["alone"]["finality_ms"], beside["finality_ms"]
    assert told["bulk_over_alone"] == {key: round(beside_ms[key] / alone_ms[key], 2) for key in ("p50", "p99")}


def test_without_authors_there_is_no_bulk():
    parser = ArgumentParser()
    finality.arguments(parser)
    told = finality.measure(parser.parse_args(["--committee", "1", "--decisions", "1", "--slept", "1", "--bulk", "0"]))
    assert "beside_bulk" not in told and told["alone"]["decisions"] == 1
