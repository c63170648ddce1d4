"""The site as a node reaches it: a connection to each of its two brokers, one of them ours if need be.

`BrokerChoice` decides, everything here carries out: links, a hosted broker, adverts and hints. One thread owns the
decisions; links, zeroconf and brokers report to it through one bounded queue.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from edge import limits
from edge.shell.broker import Hosted
from edge.shell.broker_config import is_loopback
from edge.shell.candidates import Found, Target
from edge.shell.choice import Action, Advertise, BrokerChoice, Connect, Drop, Host, Unhost, Withdraw
from edge.shell.hints import HostHint, own_hint, read_hint
from edge.shell.hosting import Hosting
from edge.shell.links import Links, speaker
from edge.shell.mdns import Adverts, BrokerAdvert
from edge.shell.mqtt import Inbound, Link
from edge.shell.site_options import SiteOptions
from edge.shell.texts import Say, Texts
from edge.wire.frame import Channel

__all__ = ["SiteLink", "SiteOptions"]

log = logging.getLogger(__name__)

_LEAVE_S = 1.0
_AUTH_WORDS = ("bad user name or password", "not authorised", "subscription not authorised")


class SiteLink:
    """`on_state(True, address)` with every new connection, also beside another one (the broker knows nothing of ours
    yet); `on_state(False, reason)` when there is none. Callbacks come from threads of ours and must not block.
    ValueError if an option makes no sense."""

    def __init__(
        self, options: SiteOptions, *, deliver: Callable[[Inbound], None], on_state: Callable[[bool, str], None]
    ) -> None:
        self._options = options
        self._on_state = on_state
        self._hosting = Hosting(
            options.broker(), lambda number, outcome: self._post(partial(self._broker_changed, number, outcome))
        )
        self._adverts = Adverts(
            options.adverts(),
            found=lambda advert: self._post_hint(partial(self._advert_found, advert)),
            lost=lambda name: self._post_hint(partial(self._advert_lost, name)),
        )
        self._choice = BrokerChoice(
            options.choice(),
            jitter=lambda: 0.5 + random.random(),
            now_ms=_now_ms(),
            hears=options.discover and not options.urls,
        )
        self._links = Links(
            options.mqtt,
            deliver=deliver,
            changed=lambda link, up, reason: self._post(partial(self._link_changed, link, up, reason)),
            hinted=lambda link, index, payload: self._post_hint(partial(self._hinted, link, index, payload)),
        )
        self._events: queue.Queue[Callable[[], list[Action]]] = queue.Queue(limits.LINK_EVENTS_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="site-link", daemon=True)
        self._attempts: list[Link] = []
        self._texts = Texts()
        self._hearing = False
        self._told: HostHint | None = None
        self._hints: dict[int, str] = {}  # which host each member told of last
        self._counts = dict.fromkeys(("connections", "drops", "hints_dropped", "hints_malformed"), 0)
        self._since_ms: int | None = None
        self._reason = "no broker found yet"
        self._refusals: dict[str, str] = {}  # what a person must mend comes before what may pass
        self._said: set[str] = set()

    # What others call, from any thread

    def start(self) -> None:
        """Find a way to the site in the background; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Leave cleanly: presence `offline`, adverts withdrawn, our own broker ended."""
        self._stopping.set()
        self._post_hint(list)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        """As Link.publish, on every link or on the one that leads to `index`. False without any; repair mends it."""
        return self._links.publish(channel, index, payload)

    def publish_text(self, topic: str, text: str, *, retain: bool = False) -> bool:
        """Text for people. Retained text is said again to every new broker; other text waits, bounded, for the next
        connection. False: dropped and counted."""
        return self._texts.say(topic, text, retain, self._speaker)

    def watch(self, topic_filter: str, callback: Callable[[str, bytes], None]) -> None:
        """Subscribe for as long as this lives; not for frames. ValueError beyond WATCHES_MAX."""
        self._links.watch(topic_filter, callback)

    def adopt(self, rank: int, gateways: tuple[int, ...], *, is_voting: bool = False) -> None:
        """A newer roster: our position among the members that may host, who the gateways are, and whether anybody
        votes."""
        self._links.hear(gateways)
        self._links.vote(is_voting)
        self._post_hint(lambda: self._choice.rank_changed(rank, _now_ms()))

    def status(self) -> dict[str, Any]:
        links = self._links.rows()
        best = links[0][1] if links else None
        hosted = self._hosting.hosted
        return {
            "broker": best.address if best is not None else None,
            "connected": best is not None,
            "discovery": best.origin if best is not None else None,
            "links": [
                {"broker": target.address, "discovery": target.origin, "votes": _votes_of(link)}
                for link, target in links
            ],
            "since": self._since_ms if best is not None else None,
            "drops": self._counts["drops"],
            "reason": None if best is not None else next(iter(self._refusals.values()), self._reason),
            "hosting": hosted is not None,
            "engine": hosted.engine if hosted is not None else None,
            "hosted": f"{hosted.host}:{hosted.port}" if hosted is not None else None,
            "hosted_pid": self._hosting.pid,
            "mdns": self._adverts.state,
        }

    def counts(self) -> dict[str, int]:
        """Sums over all connections so far."""
        total = {**self._links.counts(), **self._counts, "texts_dropped": self._texts.dropped}
        return {**total, **self._adverts.counts(), **self._choice.counts()}

    def _speaker(self) -> Say | None:
        return self._links.publish_text if self._links.used else None

    # The thread

    def _post(self, event: Callable[[], list[Action]]) -> None:
        self._events.put(event)

    def _post_hint(self, event: Callable[[], list[Action]]) -> None:
        """What strangers cause leaves half of the queue to our own links and broker."""
        if self._events.qsize() >= limits.LINK_EVENTS_MAX // 2:
            self._counts["hints_dropped"] += 1
            return
        self._events.put(event)

    def _run(self) -> None:
        if not self._options.urls:
            self._hear()
        while not self._stopping.is_set():
            try:
                event = self._events.get(timeout=self._choice.wait_ms(_now_ms()) / 1000)
            except queue.Empty:
                event = partial(self._choice.tick, _now_ms())
            try:
                self._turn(event)
            except Exception:
                log.exception("site link failed")  # a bug of ours; a node without a site is worse
        self._leave()

    def _turn(self, event: Callable[[], list[Action]]) -> None:
        actions = event()
        if self._hearing and self._adverts.state != "starting":
            self._hearing = False
            actions += self._choice.listening(_now_ms())
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Connect(target):
                self._attempts.append(self._links.connect(target))
            case Drop(key):
                self._drop(key)
            case Host():
                self._hosting.start()
            case Unhost():
                self._hosting.stop()
            case Advertise(port, rank):
                self._hear()
                self._adverts.advertise_broker(port, rank=rank, listen=self._options.listen)
                options = self._options
                self._tell(own_hint(options.node_id[:16], rank, port, options.listen, options.interfaces))
            case Withdraw():
                self._adverts.withdraw()
                self._tell(None)

    def _hear(self) -> None:
        if self._options.discover and self._adverts.state == "off":
            self._hearing = True
            self._adverts.start()

    def _leave(self) -> None:
        self._adverts.stop(0)
        self._tell(None)
        links = self._links.stop()
        deadline = time.monotonic() + _LEAVE_S
        for link in links:
            link.stop(max(0.01, deadline - time.monotonic()))
        broker = self._hosting.forget()
        if broker is not None:
            broker.stop()
        self._adverts.stop(_LEAVE_S)

    # Connections

    def _link_changed(self, link: Link, up: bool, reason: str) -> list[Action]:
        target = self._links.target(link)
        return self._link_up(link, target) if up else self._link_down(link, target, reason)

    def _link_up(self, link: Link, target: Target) -> list[Action]:
        if link not in self._attempts:
            return []
        self._attempts.remove(link)
        actions = self._choice.linked(target.key, _now_ms(), link.peer)
        if Drop(target.key) in actions:
            link.stop(0)
            return actions
        if not self._links.used:
            self._since_ms = int(time.time() * 1000)
        self._links.use(link)
        self._counts["connections"] += 1
        self._refusals, self._said = {}, set()
        log.info("site linked broker=%s discovery=%s", target.address, target.origin)
        self._tell_on(link, target)
        self._texts.say_again(speaker(link))
        self._on_state(True, target.address)
        return actions

    def _link_down(self, link: Link, target: Target, reason: str) -> list[Action]:
        self._links.ended(link)
        if self._links.disuse(link):
            self._counts["drops"] += 1
            if self._links.used:
                log.warning("site link lost broker=%s reason=%r; another one stands", target.address, reason)
            else:
                self._said = set()
                self._explain(f"broker {target.address}: {reason}")
                self._on_state(False, self._reason)
        elif link in self._attempts:
            self._attempts.remove(link)
            self._explain_failure(link, target, reason)
        else:
            return []  # one that was left for a better one
        if target.origin == "configured" and not self._links.used:
            self._hear()
        return self._choice.unlinked(target.key, _now_ms(), refused=reason if link.refused else "")

    def _drop(self, key: str) -> None:
        for link in self._links.used:
            if self._links.target(link).key == key:
                self._links.disuse(link)
                link.stop(0)

    def _explain_failure(self, link: Link, target: Target, reason: str) -> None:
        refusals = {key: said for key, said in self._refusals.items() if key != target.key}
        if link.refused:
            hint = "; set [mqtt] username and password_file" if reason in _AUTH_WORDS else ""
            words = refusals[target.key] = f"broker {target.address} refused: {reason}{hint}"
        else:
            words = f"broker {target.address}: {reason}"
        self._explain(words)
        self._refusals = dict(list(refusals.items())[-limits.CANDIDATE_BROKERS_MAX :])

    def _explain(self, reason: str) -> None:
        """Say each reason once per time without a connection; what a better broker lacks is nobody's alarm."""
        if reason not in self._said and len(self._said) < limits.CANDIDATE_BROKERS_MAX:
            self._said.add(reason)
            log.log(logging.DEBUG if self._links.used else logging.WARNING, "site unreachable reason=%r", reason)
        self._reason = reason

    # Adverts and hints

    def _advert_found(self, advert: BrokerAdvert) -> list[Action]:
        return self._choice.found(Found(advert.name, advert.host, advert.port, advert.rank), _now_ms())

    def _advert_lost(self, name: str) -> list[Action]:
        return self._choice.lost(name, _now_ms())

    def _hinted(self, link: Link, index: int, payload: bytes) -> list[Action]:
        if not payload:
            name = self._hints.pop(index, None)
            return self._choice.lost(name, _now_ms()) if name is not None else []
        hint = read_hint(payload, is_local=is_loopback(link.options.host))
        if hint is None:
            self._counts["hints_malformed"] += 1
            return []
        self._hints.pop(index, None)
        self._hints[index] = hint.name
        if len(self._hints) > limits.CANDIDATE_BROKERS_MAX:
            del self._hints[next(iter(self._hints))]
        return self._choice.found(hint.found(), _now_ms())

    def _tell(self, hint: HostHint | None) -> None:
        self._told = hint
        for link in self._links.used:
            self._tell_on(link, self._links.target(link))

    def _tell_on(self, link: Link, target: Target) -> None:
        """A broker that only this machine reaches is told of on this machine's brokers."""
        hint = self._told
        is_told = hint is not None and (not hint.is_private or is_loopback(target.host))
        link.tell_hosted(hint.encode() if hint is not None and is_told else b"")

    # Our own broker

    def _broker_changed(self, number: int, outcome: Hosted | str) -> list[Action]:
        if number != self._hosting.number:
            return []
        if isinstance(outcome, Hosted):
            self._hosting.hosted = outcome
            return self._choice.hosted(outcome.host, outcome.port, _now_ms())
        self._hosting.forget()
        self._explain(outcome)
        return self._choice.unhosted(_now_ms())


def _now_ms() -> float:
    return time.monotonic() * 1000


def _votes_of(link: Link) -> str | None:
    """How the connection for votes stands beside a link; None where nobody votes, or this node does not listen."""
    votes = link.votes
    if not votes.is_wanted:
        return None
    return "connected" if votes.is_up else votes.reason or "connecting"
