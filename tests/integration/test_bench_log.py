"""`synedge bench log` on a small log: real agents, a real disk."""

from argparse import ArgumentParser

import pytest

from edge.lab.benches import log
from edge.lab.benches.log_wear import Look, _row


def parsed(*argv: str):
    parser = ArgumentParser()
    log.arguments(parser)
    return parser.parse_args(argv)


def test_a_small_log_is_written_recovered_trimmed_and_kept():
    told = log.measure(parsed("--mb", "16", "--windows-s", "0.2,0.5"))
    assert told["append"]["records"] == 2048 and told["append"]["records_per_s"] > 0
    assert told["commit_ms"]["p50"] <= told["commit_ms"]["p99"]
    recovery, trim = told["recovery"], told["trim"]
    # A signature of 3,309 bytes, a body of eight events of about 100, and a header with two parents.
    assert 4_000 < recovery["mb"] * 1e6 / recovery["vertices"] < 4_800
    assert 0.84 * 16.7 < recovery["mb"] < 0.85 * 16.8
    assert recovery["seconds"] <= recovery["ready_s"]
    assert told["rss_mb"]["before"] < told["rss_mb"]["after"]
    assert trim["trims"] == trim["segments"] == 1, "the older one of two, since a gateway has acknowledged all of it"
    assert 8.3 <= trim["mb"] <= 8.4 and 0.5 < trim["vertices"] / recovery["vertices"] < 0.65
    assert [row["window_s"] for row in told["rows"]] == [0.2, 0.5]
    for row in told["rows"]:
        assert row["commits"] >= 2 and row["events"] >= row["commits"] and row["watched_s"] >= 1
        # A header, a signature and an event make at least one page.
        assert row["bytes_per_commit"] >= 4096 and row["mb_per_day"] > 1


def test_a_day_is_what_was_written_between_two_commits_as_often_as_it_fits():
    looks = [
        Look(100.0, 3, 50_000, 7, 1_000_000),
        Look(106.0, 4, 60_000, 13, None),
        Look(112.0, 5, 74_000, 19, 1_512_000),
    ]
    assert _row(5.0, looks) == {
        "window_s": 5.0,
        "watched_s": 12.0,
        "commits": 2,
        "events": 12,
        "bytes_per_commit": 12_000,
        "mb_per_day": 172.8,
        "whole_disk_mb": 0.512,
    }


@pytest.mark.parametrize("text", ["", "5;60", "0", "5,601", "five"])
def test_windows_that_make_no_sense_are_refused(text: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parsed("--windows-s", text)
    assert "allowed: seconds from 0.1 to 600" in capsys.readouterr().err
