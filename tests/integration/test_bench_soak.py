"""`synedge bench soak` for seconds: real agents, and somebody who looks at them."""

from argparse import ArgumentParser

import pytest

from edge.errors import UnavailableError, UsageError
from edge.lab.benches import soak


def measure(*argv: str):
    parser = ArgumentParser()
    soak.arguments(parser)
    return soak.measure(parser.parse_args(argv))


def test_a_site_under_load_is_watched_and_loses_nothing():
    told = measure("--hours", "0.001", "--devices", "2", "--events-per-minute", "600")
    assert told["faults"] == [] and told["lost_events"] == 0 and told["frontier_equal"]
    assert told["roots_equal"] and told["state_root"]
    # 3.6 s at 5 events a second and device, of which the first needs a whole window.
    assert 20 <= told["recorded_events"] == told["stored_events"] <= 36
    assert told["latency_ms"]["n"] > 0
    assert [row["node"] for row in told["rows"]] == ["gateway", "device-1", "device-2"]
    for row in told["rows"]:
        assert 10 < row["rss_mb_first"] <= row["rss_mb_max"] < 100
        assert all(int(number) > 5 for number in row["descriptors"].split(" to "))
        assert all(int(number) > 3 for number in row["threads"].split(" to "))
    assert told["rss_slope_mb_per_h"]["devices_max"] >= told["rss_slope_mb_per_h"]["devices_mean"]


def test_a_picture_that_cannot_be_made_is_refused_before_the_run():
    with pytest.raises((UsageError, UnavailableError)):
        measure("--plot", "soak.jpg")
