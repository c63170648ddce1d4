"""`synedge bench device`: what a board tells, and figures that are measured."""

from pathlib import Path

import pytest

from edge.lab.benches import board, device


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
