"""`synedge sim` as people and scripts use it."""

import json
import re

import pytest

from edge.cli.main import main
from edge.errors import UnavailableError, UsageError
from edge.lab import plot
from edge.sim.cluster import Cluster
from edge.sim.profiles import profile_named
from edge.sim.question import Question, ask
from edge.sim.run import Case

KEYS = [
    *("seeds", "steps", "virtual_seconds", "violations", "unconverged", "lost_acknowledged", "honest_forks"),
    *("bytes_per_vertex", "trace_hash", "seconds"),
]


def test_one_object_says_what_was_found(capsys):
    assert main(["sim", "--seeds", "1:3", "--nodes", "4", "--minutes", "0.2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [key for key in said if key in KEYS] == KEYS
    assert said["seeds"] == 2 and said["violations"] == said["unconverged"] == 0
    assert said["virtual_seconds"] > 24 and said["bytes_per_vertex"] > 3_000


def test_liars_and_sleepers_are_asked_for_by_number(capsys):
    words = ["--nodes", "6", "--committee", "4", "--byzantine", "1", "--behaviour", "mute", "--sleepers", "60%"]
    assert main(["sim", "--profile", "liars", "--seeds", "3:5", "--minutes", "0.5", *words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    agreed = {"disagreements": 0, "undecided": 0, "honest_evictions": 0, "lost_acknowledged": 0}
    assert said.items() >= agreed.items() and said["decisions"] > 0
    assert 0 < said["finality_ms"]["p50"] <= said["finality_ms"]["p99"] and said["bytes_per_decision"] > 3 * 3_309
    assert said["events"]["fault: sleep"] >= 2, "three of five devices, half a minute, two worlds"


def test_the_line_that_repeats_a_world_has_its_sleepers():
    case = Case(7, profile_named("calm", sleepers=0.5))
    assert case.replay().endswith("--seeds 7:8 --sleepers 50.00%")
    assert [fault.kind for fault in case.faults()].count("sleep") == len(case.faults()) > 0


def test_a_failure_ends_with_1_and_the_line_that_repeats_it(capsys):
    assert main(["sim", "--seeds", "0:200", "--break", "order", "--json"]) == 1
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert said["violations"] == 1
    line = captured.err.strip().removeprefix("replay: ")
    assert line == said["failures"][0]["replay"]
    assert main([*line.split()[1:], "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failures"][0]["violations"] == said["failures"][0]["violations"]


@pytest.mark.parametrize(
    "words",
    [
        ["--profile", "nonsense"],
        ["--break", "nonsense"],
        ["--seeds", "5:5"],
        ["--only", "one"],
        ["--loss", "100%"],
        ["--gateway-away", "3 weeks"],
        ["--loss", "1%", "--seeds", "0:5"],
        ["--plot", "site.jpg"],
        ["--loss", "1%", "--committee", "4", "--byzantine", "1"],
        ["--loss", "1%", "--sleepers", "20%"],
        ["--loss", "1%", "--committee", "32", "--nodes", "50"],
        ["--loss", "1%", "--committee", "7", "--nodes", "7"],
    ],
)
def test_what_is_not_allowed_is_said(words, capsys):
    assert main(["sim", *words]) == UsageError.code
    assert "allowed" in capsys.readouterr().err or words[0] == "--loss"


def test_sleepers_of_one_site_are_asked_for_as_a_share_of_time(capsys):
    """How many devices nap now and then says nothing of how often one is there, which a plan needs."""
    assert main(["sim", "--loss", "1%", "--sleepers", "0%"]) == UsageError.code
    assert main(["sim", "--committee", "4", "--loss", "1%", "--sleepers", "20%"]) == UsageError.code
    assert "--asleep P%" in capsys.readouterr().err


def test_the_lists_name_what_there_is(capsys):
    assert main(["sim", "--list"]) == 0
    said = capsys.readouterr().out
    assert "mixed" in said and "fsync" in said


def test_a_gateway_that_was_away_gets_everything_and_the_price_is_told():
    answer = ask(Question(nodes=6, gateway_away_min=4.0, minutes=6.0, asleep=0.1, loss=0.02, rate_per_minute=6.0))
    figures = answer.figures
    assert answer.home_s is not None and answer.home_s < 60 and not answer.violations
    assert figures["home_vertices"] == figures["recorded_vertices"] > 100
    assert figures["most_waiting_vertices"] > 50, "nothing came home while the gateway was away"
    assert figures["device_log_bytes_max"] > 0 < figures["repair_bytes"]
    waiting = [sample.recorded - sample.home for sample in answer.samples]
    assert waiting[-1] == 0


@pytest.mark.parametrize(("asleep", "is_always_there"), [(0.0, True), (0.5, False)])
def test_what_a_committee_costs_and_how_often_it_can_decide_is_told(asleep: float, is_always_there: bool):
    answer = ask(Question(nodes=6, committee=4, minutes=12.0, asleep=asleep, loss=0.02))
    figures = answer.figures
    assert not answer.violations and figures["decisions"] > 20 and figures["undecided"] == 0
    assert (figures["availability"] == 1.0) == is_always_there and 0.05 < figures["availability"] <= 1.0
    assert figures["finality_ms"]["p50"] > 20 and (figures["finality_ms"]["p99"] < 60_000) == is_always_there
    assert figures["bytes_per_decision"] > 3 * 3_309, "as many signatures of ML-DSA-65 as make a quorum, at least"


def test_a_site_without_a_committee_says_nothing_of_decisions():
    assert "decisions" not in ask(Question(nodes=2, minutes=0.2)).figures


def test_people_are_told_finality_bytes_and_availability_first(capsys):
    assert main(["sim", "--nodes", "7", "--committee", "4", "--asleep", "10%", "--loss", "2%", "--minutes", "1"]) == 0
    first = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.partition("\n\n")[0].splitlines())
    assert list(first) == ["site", "trouble", "committee", "finality", "bytes", "availability", "traffic", "home"]
    assert "6 devices and 1 gateway" in first["site"] and "4 of the devices vote" in first["committee"]
    assert re.search(r"half .* within \d+ ms, 99% within [\d.]+ m?s \(\d+ decided, 0 open\)$", first["finality"])
    assert re.search(r"^[\d.]+ kB a decision .* [\d.]+ kB to tell .* \(2 × [\d.]+ kB\)$", first["bytes"])
    assert re.search(r"[\d.]+% of 50 s; 94.77% expected .* 90% of the time$", first["availability"])


def test_people_are_told_what_there_is_no_figure_of(capsys):
    assert main(["sim", "--nodes", "5", "--committee", "4", "--loss", "0%", "--minutes", "0.05"]) == 0
    said = capsys.readouterr().out
    assert "no proposer learned of a decision (0 decided, 0 open)" in said and "nothing was decided" in said
    assert "not observed; 100% expected" in said
    assert main(["sim", "--nodes", "3", "--loss", "0%", "--minutes", "0.2"]) == 0
    assert not re.search("^(committee|finality|availability) ", capsys.readouterr().out, re.M)


def test_nodes_include_the_gateway_whatever_is_asked(capsys, monkeypatch):
    machines: list[int] = []
    run = Cluster.run

    def counted(world: Cluster) -> None:
        machines.append(len(world.machines))
        run(world)

    monkeypatch.setattr(Cluster, "run", counted)
    assert main(["sim", "--nodes", "4", "--minutes", "0.2", "--profile", "calm", "--seeds", "1:2", "--json"]) == 0
    capsys.readouterr()
    assert main(["sim", "--nodes", "4", "--minutes", "0.2", "--loss", "1%", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert machines == [4, 4] and (figures["devices"], figures["gateways"]) == (3, 1)


def test_a_plot_without_matplotlib_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"synedge\[plot\]"):
        plot.check(str(tmp_path / "site.png"))


def test_a_plot_is_a_png(tmp_path):
    pytest.importorskip("matplotlib", reason="an extra: synedge[plot]")
    place = tmp_path / "site.png"
    answer = ask(Question(nodes=3, minutes=1.5, gateway_away_min=0.3, rate_per_minute=10.0))
    plot.draw(answer, place)
    assert place.read_bytes().startswith(b"\x89PNG")
