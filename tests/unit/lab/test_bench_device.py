"""`synedge bench device`: what a board tells, and figures that are measured."""

from pathlib import Path

import pytest

from edge.config import load
from edge.lab.benches import board, device, device_agents
from edge.lab.layout import lay_out_site


def test_cores_are_named_by_their_parts():
    told = "processor\t: 0\nCPU part\t: 0xd08\nprocessor\t: 1\nCPU part\t: 0xd08\nCPU part\t: 0xd99\n"
    assert board.cores(told) == "Cortex-A72, part 0xd99"
    assert board.cores("model name\t: x\n") is None


def test_what_the_kernel_tells_is_read_and_what_it_does_not_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "temp").write_text("48312\n")
    (tmp_path / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (tmp_path / "scaling_cur_freq").write_text("2400000\n")
    for name, value in (("THERMAL", "temp"), ("MODEL", "model"), ("THROTTLED", "none"), ("CPUFREQ", "")):
        monkeypatch.setattr(board, name, tmp_path / value)
    told = board.look()
    assert (told["model"], told["celsius"], told["mhz"]) == ("Raspberry Pi 5 Model B Rev 1.0", 48.312, 2400.0)
    assert told["throttled"] is told["governor"] is told["mhz_max"] is None
    assert told["page_bytes"] >= 4096 and told["pointer_bits"] in (32, 64)


def test_every_network_and_a_thousand_at_once_are_timed(tmp_path: Path):
    rows = [*device.networks(tmp_path, 3), device.many(3)]
    assert [row["what"].split()[0] for row in rows][:6] == ["s", "s", "m", "m", "l", "l"]
    assert all(0 < row["us_min"] <= row["us"] for row in rows)


def test_a_run_of_many_units_is_told_for_each():
    calls = []
    row = device.timed("x", 3, lambda: calls.append(0), units=1_000_000)
    assert row["us_min"] < 0.001 and len(calls) > 100


def test_the_variant_in_use_is_one_that_this_machine_runs():
    told = device.variants()
    assert "in use" in told.values() and set(told) == set(device.kernels.variants())


def test_a_device_with_many_agents_is_one_that_its_configuration_allows(tmp_path: Path):
    _, (_, seat) = lay_out_site(tmp_path, 1, late=False)
    device_agents.give_agents(seat, 12)
    config = load(seat.config, environ={})
    assert len(config.agents) == 12 and len({agent.model.read_bytes() for agent in config.agents if agent.model}) == 12
    assert device._sizes(1000) == [1, 1000] and device._sizes(1) == [1] and device._sizes(0) == []
