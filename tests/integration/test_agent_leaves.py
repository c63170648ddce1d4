"""Devices that keep their own line, beside a gateway: what they hear, and what comes back to one that lost it."""

import shutil
import time
from pathlib import Path
from typing import Any

from edge.cli.place import NodeSettings, lay_out
from edge.node.options import KEEP_ALL_MEMBERS_MAX
from tests.integration.agents import SUITE, Node, at, broker, field, until

OWN = '[node]\nkeep = "own"\n'


def configure(node: Node, port: int) -> None:
    node.configure(at(port))
    config = node.directory / "synedge.toml"
    if node.role != "gateway":
        config.write_text(config.read_text().replace("[node]\n", OWN))


def is_acknowledged(status: dict[str, Any]) -> bool:
    return bool(status["seq"]) and status["acked_seq"] == status["seq"]


def test_they_hear_the_gateway_alone_and_get_their_own_line_back_from_it(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one", "two", "keeper", gateway="keeper") as site:
        one, two, keeper = site
        for node in site:
            configure(node, port)
            node.up()
        one.feed(*range(5))
        one.records_event(5)
        one.waits_for(is_acknowledged, "the gateway has it")
        assert one.down() == 0
        shutil.copytree(one.data, tmp_path / "image")

        one.up()
        for number in range(5, 40):
            one.feed(number)
            one.records_event(number - 4)
        two.feed(100)
        two.waits_for(is_acknowledged, "the gateway has it")
        one.waits_for(is_acknowledged, "the gateway has it")
        for node, other in ((one, two), (two, one)):
            online = {row["name"]: row["online"] for row in node.ask("peers")}
            assert online == {"keeper": True, other.name: None}
            assert node.headers(site.index(other.name)) == [] == node.headers(site.index("keeper"))
        said = keeper.counts()["signatures_verified"]
        assert said >= one.now()["seq"] - 5 + two.now()["seq"]

        assert one.down() == 0
        shutil.rmtree(one.data)
        shutil.copytree(tmp_path / "image", one.data)
        one.up()
        index = site.index("one")
        until(lambda: one.values(index) == list(range(40)), "what the image lacked came from the gateway", one)
        one.feed(40)
        one.waits_for(lambda status: is_acknowledged(status) and status["recorded_events"] == 1, "and it goes on")
        until(lambda: keeper.values(index) == list(range(41)), "in one line", keeper)
        assert keeper.now()["quarantined"] == []
        for node in site:
            assert node.down() == 0
            assert node.audit()["ok"]


def test_a_site_that_grew_is_noticed_at_the_next_start(tmp_path: Path) -> None:
    """The roster of the file is the one it was installed with; the log has the newest."""
    with broker() as port, field(tmp_path, "one", "keeper", gateway="keeper") as site:
        one, keeper = site
        for node in site:
            node.configure(at(port))
            node.up()
        keeper.feed(1)
        site.agree()
        assert one.ask("peers")[0]["online"]
        now_ms = time.time_ns() // 1_000_000
        for number in range(KEEP_ALL_MEMBERS_MAX):
            place = lay_out(tmp_path / f"more-{number}", NodeSettings(f"more-{number}", suite=SUITE))
            site.site.add(f"more-{number}", place.suite, place.public_key, roles=("device",), label="", now_ms=now_ms)
        roster = site.site.roster
        assert keeper.down() == 0
        (keeper.directory / "roster.cose").write_bytes(site.site.roster_file.read_bytes())
        keeper.up()
        one.waits_for(lambda status: status["epoch"] == roster.version, "it has the newer roster")
        assert one.down() == 0
        one.up()
        one.feed(2)
        one.waits_for(is_acknowledged, "the gateway has it")
        keeper.feed(3)
        keeper.records_event(1)
        states = {row["name"]: row["online"] for row in one.ask("peers")}
        assert states == {"keeper": True} | {f"more-{number}": None for number in range(KEEP_ALL_MEMBERS_MAX)}
        until(lambda: keeper.values(site.index("one")) == [2], "what it records goes on", keeper)
        assert one.values(site.index("keeper")) == [1], "what it held it still holds, and takes no more"
