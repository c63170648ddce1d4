"""A committee of real processes evicts a device whose key has signed a fork, and one that a quorum is told to evict."""

import subprocess
import sys

import paho.mqtt.publish as mqtt

from edge.lab.process import wait_until
from edge.shell.keys import load_seed
from edge.wire import suite
from edge.wire.frame import encode_vertex
from edge.wire.vertex import Header, encode_header
from tests.integration.council import DECIDE_S_MAX, VOTERS, Council

LIFE = 7
"""An incarnation that the device itself has never had."""


class Thief:
    """Somebody with a copy of the key of `other`, on the site's broker."""

    def __init__(self, council: Council) -> None:
        self._council = council
        self._roster = council.site.roster
        self._member = self._roster.by_name["other"]
        self._key = suite.Signer(
            self._member.suite, load_seed(council.seats["other"].directory / "data/keys/node.seed")
        )
        self.index = self._member.index

    def say(self, prev: Header | None, mark: int = 0, incarnation: int = LIFE) -> Header:
        """One more vertex, told to all; another `mark` makes another one."""
        header = encode_header(
            suite=self._member.suite, site=self._roster.site, epoch=self._roster.version, author=self.index,
            incarnation=incarnation, seq=prev.seq + 1 if prev else 1, prev=prev.id if prev else None, parents=(),
            hlc=(self._roster.issued_ms << 16) + mark, body=None,
        )  # fmt: skip
        signature = self._key.sign(suite.sig_structure(header.suite, suite.PURPOSE_VERTEX, header.raw))
        host, _, port = self._broker().rpartition(":")
        topic = f"synedge/1/{self._roster.site.hex()}/v/{self.index}"
        mqtt.single(topic, encode_vertex(header.raw, signature, None), hostname=host, port=int(port))
        return header

    def _broker(self) -> str:
        """One that members have a link to; while hosts change places there may be none for a moment."""
        links: list[dict[str, str]] = []

        def is_linked() -> bool:
            links[:] = self._council.devices["one"].ask("status")["mqtt"]["links"]
            return bool(links)

        assert wait_until(is_linked, DECIDE_S_MAX)
        return links[0]["broker"]

    def is_held(self, name: str) -> list[list[int]]:
        """The ends of its lines at a device."""
        return [tip[1:3] for tip in self._council.devices[name].ask("frontier") if tip[0] == self.index]


def evicted(council: Council, name: str) -> list[tuple[str, str, list[list[int]]]]:
    rows = council.devices[name].ask("committees")["evicted"]
    return [(row["node"], row["why"], [[head["incarnation"], head["seq"]] for head in row["cut"]]) for row in rows]


def refused(council: Council, name: str) -> int:
    return int(council.devices[name].ask("status")["refused"].get("evicted", 0))


def status_of(council: Council, name: str) -> str:
    command = [sys.executable, "-m", "edge", "status", "--config", str(council.seats[name].config)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_device_whose_key_signs_a_fork_is_evicted_for_good(council: Council) -> None:
    council.start(*council.devices)
    council.devices["other"].kill()
    thief, last = Thief(council), None
    for _ in range(3):
        last = thief.say(last)
    assert wait_until(lambda: all([LIFE, 3] in thief.is_held(name) for name in VOTERS), DECIDE_S_MAX)
    side = thief.say(last, 1)
    thief.say(last, 2)
    expected = [("other", "forked", [[LIFE, 3]])]
    assert wait_until(lambda: all(evicted(council, name) == expected for name in VOTERS), DECIDE_S_MAX)
    held = {name: thief.is_held(name) for name in VOTERS}

    before = {name: refused(council, name) for name in VOTERS}
    above = thief.say(side, 1)
    thief.say(last, 3, LIFE + 1)
    assert wait_until(lambda: all(refused(council, name) >= before[name] + 2 for name in VOTERS), DECIDE_S_MAX)
    council.devices["two"].kill()
    council.start("two")
    assert evicted(council, "two") == expected and refused(council, "two") == 0
    thief.say(above, 1)
    assert wait_until(lambda: refused(council, "two") >= 1, DECIDE_S_MAX)
    assert {name: thief.is_held(name) for name in VOTERS} == held
    assert f"{thief.index} (forked)" in status_of(council, "two")
    shown = council.run("two", "committee", "show")
    assert [row["node"] for row in shown["evicted"]] == ["other"] and shown["evicting"] == []


def test_a_quorum_of_members_evicts_whom_people_tell_them_to(council: Council) -> None:
    council.start(*council.devices)
    words = ("committee", "evict", "other")
    answer = council.run("other", "committee", "evict", "one", code=70)
    assert "this device has no vote: say it on 3 of" in answer["error"]["message"]
    assert council.run("one", *words, "--wait", "0")["said"] == ["one"]
    answer = council.run("two", *words, "--wait", "1", code=75)
    assert "other: not evicted after 1 s" in answer["error"]["message"]
    row = council.run("three", *words, "--wait", "60")
    assert (row["node"], row["state"], row["why"]) == ("other", "evicted", "by hand")
    assert wait_until(lambda: all(len(evicted(council, name)) == 1 for name in council.devices), DECIDE_S_MAX)
    assert "this device is evicted" in status_of(council, "other")
    answer = council.run("four", *words, code=70)
    assert "evicted already" in answer["error"]["message"]
