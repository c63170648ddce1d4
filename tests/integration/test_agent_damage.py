"""Damage and violence: a garbled log, a killed process. What was recorded is there afterwards, here or at the peers."""

import json
from pathlib import Path

import pytest

from edge.dag.reader import read_log
from edge.dag.records import BOOT, GAP, HEADER_BYTES, VERTEX, offset_of, segment_name, segment_of
from edge.shell.disk import DirectoryDisk
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, decode_header
from tests.integration.agents import Node, at, broker, field, until


@pytest.fixture(scope="module")
def port():
    with broker() as number:
        yield number


def garble(node: Node, author: int, part: int = 2) -> Header:
    """Flip bytes inside a vertex record by this author, this part of the way through what the log has of it."""
    disk = DirectoryDisk(node.data / "log", read_only=True)
    found = []
    for place, record in read_log(disk):
        frame = decode_vertex(record.payload) if record.type == VERTEX else None
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if isinstance(header, Header) and header.author == author:
            found.append((place, header))
    disk.close()
    place, header = found[len(found) // part]
    with open(node.data / "log" / segment_name(segment_of(place)), "r+b") as file:
        file.seek(offset_of(place) + HEADER_BYTES + 40)
        bytes_there = file.read(8)
        file.seek(-8, 1)
        file.write(bytes(byte ^ 0xFF for byte in bytes_there))
    return header


def test_a_garbled_log_is_quarantined_and_mended_by_the_peers(tmp_path: Path, port: int) -> None:
    with field(tmp_path, "one", "two") as site:
        for node in site:
            node.configure(at(port))
            node.up()
        one, two = site["one"], site["two"]
        for number in range(12):
            one.feed(number)
            two.feed(100 + number)
            one.records_event(number + 1)
            two.records_event(number + 1)
        site.agree()
        assert one.down() == 0
        own, theirs = (
            garble(one, site.index("one")),
            garble(one, site.index("two"), 4),
        )  # not side by side: that were one gap
        assert not one.audit()["ok"]

        one.up()
        one.says("log-recovered", "gaps=2")
        one.feed(50)
        one.records_event(1)
        site.agree()
        one.waits_for(lambda status: status["gaps"] == status["pending"] == 0, "nothing is lacking any more")
        assert len(list((one.data / "log" / "quarantine").iterdir())) == 2, "copies of the damage are kept for people"
        assert two.down() == one.down() == 0

        verdict = one.audit()
        assert verdict["ok"], verdict["reasons"]
        assert verdict["quarantined"] == 2
        held = {header.id for header in one.headers()}
        assert {own.id, theirs.id} <= held == {header.id for header in two.headers()}
        assert sorted(one.values(site.index("one"))) == [*range(12), 50]
        assert sorted(one.values(site.index("two"))) == [100 + number for number in range(12)]
        assert sum(record.type == GAP for record in one.records()) == 2

        one.up()
        again = [line for line in one.said().splitlines() if "log-recovered" in line][-1]
        assert "detached=0" in again and "gaps=0" in again, "said once"


def test_an_own_record_that_rots_before_anybody_has_it_costs_that_one_record(tmp_path: Path, port: int) -> None:
    """While the agent runs, and without a restart: the others get what is still readable."""
    with field(tmp_path, "one", "two") as site:
        for node in site:
            node.configure(at(port))
        one, two = site["one"], site["two"]
        one.up()
        for number in range(6):
            one.feed(number)
            one.records_event(number + 1)
        before = one.now()["incarnation"]
        lost = garble(one, site.index("one"))
        two.up()
        one.says("own-line-broken", f"vertex={'/'.join(map(str, lost.key))}", "lost=1")
        one.says("own-line-mended")
        site.agree()
        status = one.now()
        assert status["incarnation"] > before and status["own_lost"] == 1 and status["own_orphans"] == 0
        assert status["records_lacking"] == 0
        assert int((one.data / "keys/incarnation").read_text()) == status["incarnation"]
        one.feed(6)
        one.records_event(7)
        site.agree()
        assert two.down() == one.down() == 0
        readable = [number for number in range(7) if number != lost.seq - 1]
        assert sorted(two.values(site.index("one"))) == readable
        verdict = two.audit()
        assert verdict["ok"], verdict["reasons"]


def test_killed_again_and_again_under_load(tmp_path: Path, port: int) -> None:
    lives = 6
    with field(tmp_path, "one", "two", "keeper", gateway="keeper") as site:
        for node in site:
            node.configure(at(port))
            node.up()
        one, two = site["one"], site["two"]
        fed = 0
        for _ in range(lives):
            seen = one.now()["recorded_events"]
            for _ in range(4):
                one.feed(*range(fed, fed + 40))
                two.feed(fed)
                fed += 40
                one.records_event(seen + 1)
                seen = one.now()["recorded_events"]
            one.kill()
            one.up()
        one.feed(-1)
        one.records_event(1)
        site.agree()
        until(lambda: site["keeper"].counts()["archiving"] == 0, "everything is archived", site["keeper"])
        one.waits_for(lambda status: status["acked_seq"] == status["seq"], "the gateway has it all")
        for node in site:
            assert node.down() == 0
        boots = [record for record in one.records() if record.type == BOOT]
        assert len(boots) == lives + 1
        index = site.index("one")
        chain = one.headers(index)
        assert len({header.incarnation for header in chain}) > lives / 2
        assert [header.seq for header in chain] == list(range(1, len(chain) + 1)), "one line, without a fork or a hole"
        recorded = one.values(index)
        assert len(recorded) == len(set(recorded)), "nothing twice"
        for node in site:
            verdict = node.audit()
            assert verdict["ok"], (node.name, json.dumps(verdict["reasons"][:5]))
            assert node.values(index) == recorded
            assert {header.id for header in node.headers()} == {header.id for header in one.headers()}
