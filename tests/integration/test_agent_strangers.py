"""What strangers, liars and leftovers say on the site's topics: refused, counted by reason, and nobody is the worse."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NamedTuple

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.limits import (
    EARLY_BYTES_MAX,
    FINALS_FRAME_BYTES_MAX,
    FRAME_BYTES_MAX,
    GAPS_PER_AUTHOR_MAX,
    REPAIR_RANGES_MAX,
)
from edge.wire import suite
from edge.wire.event import Event
from edge.wire.frame import (
    FrontierEntry,
    FrontierFrame,
    Range,
    ReplyFrame,
    RequestFrame,
    Want,
    encode_frontier,
    encode_reply,
    encode_request,
    encode_vertex,
)
from edge.wire.roster import Roster, sign_roster, site_id
from edge.wire.vertex import Header, encode_body, encode_header
from tests.integration.agents import SUITE, Field, Node, at, broker, field, until

NUMBER = suite.SUITE_BY_NAME[SUITE].number
STRANGER = suite.Signer(NUMBER, sha256(b"stranger").digest())
FALSE_AUTHORITY = suite.Signer(suite.AUTHORITY_SUITE, sha256(b"false authority").digest())
FAR = 10**9


class Stage(NamedTuple):
    site: Field
    one: Node
    two: Node
    say: Callable[..., None]
    """say(topic below the site's, payload, retain=False): as anyone who reaches the broker could."""

    def counts(self, reason: str, count: int) -> None:
        """Until `one` has refused so many for this reason."""
        name = f"refused_{reason.replace('-', '_')}"
        until(lambda: self.one.counts().get(name, 0) >= count, f"{count} × {name}: {self.one.counts()}", self.one)


@contextmanager
def staged(root: Path) -> Iterator[Stage]:
    with broker() as port, field(root, "one", "two") as site:
        for node in site:
            node.configure(at(port))
            node.up()
            node.waits_for(lambda status: status["mqtt"]["connected"], "is linked")
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        prefix = f"synedge/1/{site.site.id.hex()}/"

        def say(topic: str, payload: bytes, retain: bool = False) -> None:
            client.publish(prefix + topic, payload, qos=1, retain=retain).wait_for_publish(10)

        yield Stage(site, site["one"], site["two"], say)
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("strangers")) as made:
        yield made


@pytest.fixture(autouse=True)
def goes_on(stage: Stage) -> Iterator[None]:
    """After each of these the mesh works as before."""
    if not stage.one.is_running:  # the audit was before
        yield
        return
    before = stage.one.now()["rss_mb"]
    yield
    if not stage.one.is_running:
        return
    value = time.monotonic_ns() % 1_000_000
    stage.two.feed(value)
    index = stage.site.index("two")
    until(lambda: value in stage.one.values(index), "what two records reaches one", stage.one)
    status = stage.one.now()
    assert status["quarantined"] == []
    assert status["rss_mb"] - before < 16, "what was said has been forgotten"


def vertex(stage: Stage, *, site: bytes | None = None, epoch: int | None = None, author: int, seq: int = 1) -> Header:
    roster = stage.site.site.roster
    return encode_header(
        suite=NUMBER,
        site=roster.site if site is None else site,
        epoch=roster.version if epoch is None else epoch,
        author=author,
        incarnation=9,
        seq=seq,
        prev=None if seq == 1 else bytes(32),
        parents=(),
        hlc=roster.issued_ms << 16,
        body=None,
    )


def signed(header: Header, signer: suite.Signer = STRANGER) -> bytes:
    return encode_vertex(header.raw, signer.sign(suite.sig_structure(NUMBER, suite.PURPOSE_VERTEX, header.raw)), None)


def test_vertices_of_another_site_or_of_nobody(stage: Stage) -> None:
    two = stage.site.index("two")
    stage.say(f"v/{two}", signed(vertex(stage, site=b"elsewher", author=two)))
    stage.counts("site-other", 1)
    stage.say("v/77", signed(vertex(stage, author=77)))
    stage.counts("author-unknown", 1)
    stage.say(f"v/{two}", signed(vertex(stage, author=two)))
    stage.counts("signature-bad", 1)
    assert all(header.incarnation != 9 for header in stage.one.headers(two))


def test_junk_on_every_channel(stage: Stage) -> None:
    random = Random(1)
    one = stage.site.index("one")
    before = stage.one.counts()
    topics = ["v/2", "v/99", "f/2", f"rq/{one}", f"rs/{one}", "r"]
    for topic in topics * 20:
        stage.say(topic, random.randbytes(random.choice([0, 1, 50, 3000])))
    stage.say("v/not-a-number", b"x")
    stage.say(f"v/{2**40}", b"x")
    stage.say("v/02", b"x")

    def refused() -> int:
        counts = stage.one.counts()
        return sum(
            count - before.get(name, 0)
            for name, count in counts.items()
            if name.startswith(("refused_", "dropped_mal"))
        )

    until(lambda: refused() >= len(topics) * 20 + 3, f"all refused: {refused()}", stage.one)


def test_frames_that_are_too_large(stage: Stage) -> None:
    before = stage.one.counts()["dropped_oversize"]
    one = stage.site.index("one")
    for topic in ("v/2", "f/2", f"rq/{one}"):
        stage.say(topic, bytes(FRAME_BYTES_MAX + 1))
    stage.say(f"rs/{one}", bytes(FINALS_FRAME_BYTES_MAX + 1))  # an answer may be a certificate
    until(lambda: stage.one.counts()["dropped_oversize"] == before + 4, "dropped before they are queued", stage.one)


def test_a_frontier_that_lies(stage: Stage) -> None:
    roster, two = stage.site.site.roster, stage.site.index("two")
    one = stage.site.index("one")
    for incarnation in range(2, 60):
        entries = tuple(FrontierEntry(author, incarnation, FAR, 7) for author in (one, two))
        stage.say(f"f/{two}", encode_frontier(FrontierFrame(roster.site, roster.version, two, entries)))
    until(lambda: stage.one.counts()["gaps_refused"] > 0, "claims beyond the bound are counted", stage.one)
    assert stage.one.counts()["gaps"] <= 2 * GAPS_PER_AUTHOR_MAX
    asked = stage.one.counts()["requests_sent"]
    for value in range(5):  # with every new vertex the lie is tried once more, and then left alone
        stage.two.feed(-value)
    index = stage.site.index("two")
    until(lambda: {-4.0} <= set(stage.one.values(index)), "live traffic is not held up", stage.one)
    assert stage.one.counts()["requests_sent"] - asked < 60


def test_requests_for_everything_over_and_over(stage: Stage) -> None:
    roster, one, two = stage.site.site.roster, stage.site.index("one"), stage.site.index("two")
    wants = tuple(Want(author, 0, 0, 0) for author in (one, two) for _ in range(REPAIR_RANGES_MAX // 2))
    for correlation in range(200):
        frame = RequestFrame(roster.site, two, 2**40 + correlation, 2**53 - 1, wants)
        stage.say(f"rq/{one}", encode_request(frame))
    until(lambda: stage.one.counts()["ranges_served"] > 0, "it answers, within its own budget", stage.one)
    stranger = RequestFrame(roster.site, 77, 1, 1000, wants)
    before = stage.one.counts().get("refused_author_unknown", 0)
    stage.say(f"rq/{one}", encode_request(stranger))
    stage.counts("author-unknown", before + 1)


def test_answers_nobody_asked_for(stage: Stage) -> None:
    roster, one, two = stage.site.site.roster, stage.site.index("one"), stage.site.index("two")
    header = vertex(stage, author=two)
    ranges = (Range((header.raw,), (None,), bytes(2420)),)
    for correlation in (1, 2**50):
        stage.say(f"rs/{one}", encode_reply(ReplyFrame(roster.site, two, correlation, True, ranges)))
    stage.counts("reply-unasked", 2)


def test_frames_of_a_roster_that_never_comes(stage: Stage) -> None:
    """They wait, but not at the price of memory: nobody has checked their signatures."""
    two, epoch = stage.site.index("two"), stage.site.site.roster.version + 5
    event = Event("level", "value", 1, ("x" * 60,) * 64)
    body, ref = encode_body([event] * 10, bytes(160))
    before = stage.one.counts()["early_dropped"]
    count = 3 * EARLY_BYTES_MAX // len(body)
    roster = stage.site.site.roster
    for seq in range(1, count):
        header = encode_header(
            suite=NUMBER, site=roster.site, epoch=epoch, author=two, incarnation=9, seq=seq,
            prev=None if seq == 1 else bytes(32), parents=(), hlc=1 << 60, body=ref,
        )  # fmt: skip
        stage.say(f"v/{two}", encode_vertex(header.raw, bytes(2420), body))
    stage.counts("ahead-of-roster", count - 1)
    counts = stage.one.counts()
    assert counts["early_dropped"] > before
    assert counts["early"] * len(body) <= EARLY_BYTES_MAX


def test_nothing_of_it_was_recorded(stage: Stage) -> None:
    for node in (stage.one, stage.two):
        assert node.down() == 0
        verdict = node.audit()
        assert verdict["ok"], verdict["reasons"]


def test_old_and_forged_rosters_and_then_a_new_one(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        newcomers_and_impostors(stage)


def newcomers_and_impostors(stage: Stage) -> None:
    site, one = stage.site.site, stage.one
    newest = site.roster_file.read_bytes()
    version = site.roster.version
    old = sign_roster(Roster(site.id, 1, site.roster.issued_ms, (NUMBER,), ()), site.authority)
    stage.say("r", old, retain=True)
    stage.counts("roster-stale", 1)
    forged = Roster(
        site_id(FALSE_AUTHORITY.public_key), version + 9, site.roster.issued_ms, (NUMBER,), site.roster.members
    )
    before = one.counts().get("refused_signature_bad", 0)
    stage.say("r", sign_roster(forged, FALSE_AUTHORITY), retain=True)
    stage.counts("signature-bad", before + 1)
    assert one.now()["epoch"] == version
    assert one.down() == 0
    one.up()  # finds the forged one retained, refuses it, and leaves the good one there instead
    assert retained(stage) == newest

    site.add("three", NUMBER, STRANGER.public_key, roles=("device",), label="", now_ms=time.time_ns() // 1_000_000)
    index = site.roster.by_name["three"].index
    header = vertex(stage, author=index)
    stage.say(f"v/{index}", signed(header))
    stage.counts("ahead-of-roster", 1)
    stage.say("r", site.roster_file.read_bytes(), retain=True)
    one.waits_for(lambda status: status["epoch"] == version + 1, "the newer one by the authority is taken")
    until(lambda: header.id in {held.id for held in one.headers()}, "and who waited for it comes in", one)
    assert one.down() == 0
    one.up()
    assert one.now()["epoch"] == version + 1, "it is remembered"


def retained(stage: Stage) -> bytes:
    """The roster that the broker would give a newcomer, once somebody has put it right."""
    found: list[bytes] = []
    host, _, port = stage.two.now()["mqtt"]["broker"].rpartition(":")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda client, userdata, message: found.append(bytes(message.payload))
    client.connect(host, int(port))
    client.subscribe(f"synedge/1/{stage.site.site.id.hex()}/r")
    client.loop_start()
    try:
        newest = stage.site.site.roster_file.read_bytes()
        until(lambda: newest in found, "the good roster is retained again", stage.one)
        return found[-1]
    finally:
        client.disconnect()
        client.loop_stop()
