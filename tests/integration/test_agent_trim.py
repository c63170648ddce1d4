"""A log without room: what a gateway keeps is dropped from it, and whoever comes later gets that from there."""

from pathlib import Path

from edge.dag.journal import Journal
from edge.dag.records import TYPE_MAX
from edge.lab.process import wait_until
from edge.limits import LOG_TRIM_SHARE
from edge.shell.disk import DirectoryDisk
from tests.integration.agents import Field, Node, at, broker, field

MB = 1024 * 1024
LOG_MB = 16
ROOM = f"max_mb = {LOG_MB}\n"
FILLER = bytes(60_000)
"""Of a record type that no version knows yet: an older agent carries such records along."""


def configure(node: Node, port: int, *, small: bool) -> None:
    node.configure(at(port))
    if small:
        config = node.directory / "synedge.toml"
        config.write_text(config.read_text().replace("[log]\n", f"[log]\n{ROOM}"))


def nearly_fill_log(node: Node) -> None:
    """Until a few vertices more make it drop something."""
    disk = DirectoryDisk(node.data / "log")
    journal = Journal(disk)
    for _ in journal.recover():
        pass
    while journal.size_bytes < LOG_TRIM_SHARE * LOG_MB * MB - len(FILLER):
        journal.append(TYPE_MAX, FILLER)
    journal.commit()
    disk.close()


def feed(site: Field, first: int, rounds: int) -> None:
    one, two = site["one"], site["two"]
    seen = one.now()["recorded_events"], two.now()["recorded_events"]
    for number in range(rounds):
        one.feed(first + number)
        two.feed(1000 + first + number)
        one.records_event(seen[0] + number + 1)
        two.records_event(seen[1] + number + 1)


def test_a_log_makes_room_and_nothing_is_lost(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one", "two", "keeper", "late", gateway="keeper") as site:
        one, two, keeper, late = site
        for node in (one, two, keeper):
            configure(node, port, small=node is not two)
            node.up()
        feed(site, 0, 20)
        site.agree("one", "two", "keeper")
        one.waits_for(lambda status: status["acked_seq"] == status["seq"], "acknowledged")
        assert one.down() == keeper.down() == 0
        nearly_fill_log(one)
        nearly_fill_log(keeper)
        one.up()
        keeper.up()
        feed(site, 20, 20)
        while not one.counts()["trims"] or not keeper.counts()["trims"]:
            feed(site, int(one.now()["recorded_events"]) + 20, 5)
        one.says("info", "log-trimmed")
        assert not list((one.data / "log").glob("00000001.seg")) and (one.data / "floor.cbor").exists()
        site.agree("one", "two", "keeper")
        mine = two.values(site.index("one"))
        assert mine == list(range(len(mine))), "who has room has all of it"
        assert one.values(site.index("one")) == mine[-len(one.values(site.index("one"))) :] != mine

        assert two.down() == 0
        late.configure(at(port))
        late.up()
        site.agree("one", "keeper", "late")
        # What is held is written a moment later.
        assert wait_until(lambda: late.values(site.index("one")) == mine, 20), (
            "the older part came from the gateway's store"
        )
        assert sorted(late.values(site.index("two"))) == sorted(two.values(site.index("two")))

        one.kill()
        one.up()
        one.feed(len(mine))
        one.records_event(1)
        site.agree("one", "keeper", "late")
        assert late.values(site.index("one")) == [*mine, len(mine)], "and its line goes on where it was"
        for node in (one, keeper, late):
            assert node.down() == 0
            verdict = node.audit()
            assert verdict["ok"], verdict["reasons"]
            assert bool(verdict["dropped"]) == (node is not late)
