"""Bad input, as people see it: each kind is refused with its reason, and `synedge status` says so."""

import subprocess
import sys
from collections.abc import Iterator

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.shell.keys import load_seed
from edge.wire import suite
from edge.wire.event import Event
from edge.wire.frame import (
    FrontierEntry,
    FrontierFrame,
    Range,
    ReplyFrame,
    decode_request,
    encode_frontier,
    encode_reply,
    encode_vertex,
)
from edge.wire.roster import Roster, sign_roster
from edge.wire.vertex import BodyRef, Header, encode_body, encode_header
from tests.integration.agents import until
from tests.integration.test_agent_strangers import FAR, NUMBER, Stage, signed, staged, vertex


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`two` has left for good: whoever misbehaves does it with its key, or in its name."""
    with staged(tmp_path_factory.mktemp("refusals")) as made:
        assert made.two.down() == made.one.down() == 0
        made.say("v/88", signed(vertex(made, author=88)), retain=True)  # last year; nobody of ours retains vertices
        made.one.up()
        made.one.waits_for(lambda status: status["mqtt"]["connected"], "is linked again")
        yield made


def key_of_two(stage: Stage) -> suite.Signer:
    return suite.Signer(NUMBER, load_seed(stage.two.data / "keys" / "node.seed"))


def by_two(stage: Stage, seq: int, prev: bytes | None, body: BodyRef | None = None) -> Header:
    roster = stage.site.site.roster
    return encode_header(
        suite=NUMBER, site=roster.site, epoch=roster.version, author=stage.site.index("two"), incarnation=7, seq=seq,
        prev=prev, parents=(), hlc=roster.issued_ms << 16, body=body,
    )  # fmt: skip


def status_of(stage: Stage) -> str:
    """What a person reads."""
    config = stage.one.directory / "synedge.toml"
    command = [sys.executable, "-m", "edge", "status", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def is_shown(stage: Stage, reason: str) -> None:
    stage.counts(reason, 1)
    (line,) = [line for line in status_of(stage).splitlines() if line.startswith("refused")]
    assert f" {reason}" in line, line


def test_a_node_of_another_site_on_the_same_broker(stage: Stage) -> None:
    two = stage.site.index("two")
    stage.say(f"v/{two}", signed(vertex(stage, site=b"elsewher", author=two)))
    is_shown(stage, "site-other")


def test_a_body_that_is_longer_than_its_header_says(stage: Stage) -> None:
    body, ref = encode_body([Event("level", "value", 1, (1.0,))], bytes(16))
    longer, _ = encode_body([Event("level", "value", 1, (1.0,)), Event("level", "value", 2, (2.0,))], bytes(32))
    header = by_two(stage, 1, None, ref)
    signature = key_of_two(stage).sign(suite.sig_structure(NUMBER, suite.PURPOSE_VERTEX, header.raw))
    stage.say(f"v/{header.author}", encode_vertex(header.raw, signature, longer))
    is_shown(stage, "body-length")
    assert stage.one.counts()["signatures_bad"] == 0, "the signature stood"
    assert len(body) < len(longer) and not [held for held in stage.one.headers() if held.incarnation == 7]


def test_a_roster_older_than_ours_retained_since_last_year(stage: Stage) -> None:
    site = stage.site.site
    old = Roster(site.id, 1, site.roster.issued_ms - 365 * 86_400_000, (NUMBER,), ())
    stage.say("r", sign_roster(old, site.authority), retain=True)
    is_shown(stage, "roster-stale")
    assert stage.one.now()["epoch"] == site.roster.version


def test_a_vertex_retained_by_somebody_who_is_no_member_any_more(stage: Stage) -> None:
    is_shown(stage, "author-unknown")


def test_a_frontier_that_lies_and_a_peer_that_sends_ranges_that_do_not_chain(stage: Stage) -> None:
    """`one` asks whoever claims to hold more; the answer has two headers, and the second does not follow the first."""
    roster, one, two = stage.site.site.roster, stage.site.index("one"), stage.site.index("two")
    broken = (by_two(stage, 1, None).raw, by_two(stage, 2, bytes(32)).raw)
    given = Range(broken, (None, None), bytes(suite.SUITES[NUMBER].signature_bytes))
    liar = mqtt.Client(CallbackAPIVersion.VERSION2)
    host, _, port = stage.one.now()["mqtt"]["broker"].rpartition(":")
    prefix = f"synedge/1/{stage.site.site.id.hex()}/"
    asked: list[int] = []

    def answer(client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        request = decode_request(message.payload)
        asked.append(request.correlation)  # type: ignore[union-attr]
        reply = ReplyFrame(roster.site, two, asked[-1], True, (given,))
        client.publish(f"{prefix}rs/{one}", encode_reply(reply))

    liar.on_message = answer
    liar.on_connect = lambda client, *_: client.subscribe(f"{prefix}rq/{two}")
    stands: list[bool] = []
    liar.on_subscribe = lambda *_: stands.append(True)
    liar.connect(host, int(port))
    liar.loop_start()
    try:
        until(lambda: stands, "the liar listens")
        entries = (FrontierEntry(two, 7, FAR, 7),)
        stage.say(f"f/{two}", encode_frontier(FrontierFrame(roster.site, roster.version, two, entries)))
        until(lambda: asked, "one asks for what it was told of", stage.one)
        is_shown(stage, "range-broken")
    finally:
        liar.disconnect()
        liar.loop_stop()
    assert "catching up" in status_of(stage), (
        "a claim that nothing came of is seen as a gap, and asked for ever more rarely"
    )


def test_noise_is_shown_too_and_what_was_dropped(stage: Stage) -> None:
    two = stage.site.index("two")
    stage.say(f"v/{two}", b"noise")
    is_shown(stage, "frame-shape")
    stage.say(f"v/{two}", signed(vertex(stage, author=stage.site.index("one"))))
    is_shown(stage, "author-other")
    stage.say(f"v/{two}", bytes(70_000))
    until(lambda: stage.one.counts()["dropped_oversize"], "dropped", stage.one)
    assert "1 dropped_oversize" in status_of(stage)


def test_nothing_of_it_was_recorded(stage: Stage) -> None:
    assert stage.one.down() == 0
    assert stage.one.audit()["ok"], stage.one.audit()["reasons"]
