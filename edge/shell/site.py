"""The site as a node reaches it: one connection at a time, to whichever broker is the right one, ours if need be.

`BrokerChoice` decides, everything here carries out: a Link per connection, a hosted broker, adverts. One thread owns
the decisions; links, zeroconf and brokers report to it through one bounded queue.
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
from edge.shell.candidates import Found, Target
from edge.shell.choice import Action, Advertise, BrokerChoice, Connect, Drop, Host, Unhost, Withdraw
from edge.shell.hosting import Hosting
from edge.shell.mdns import Adverts, BrokerAdvert
from edge.shell.mqtt import COUNTED, Inbound, Link, Watch
from edge.shell.site_options import SiteOptions
from edge.shell.texts import Say, Texts
from edge.wire.frame import Channel

__all__ = ["SiteLink", "SiteOptions"]

log = logging.getLogger(__name__)

_LEAVE_S = 1.0
_AUTH_WORDS = ("bad user name or password", "not authorised", "subscription not authorised")


class SiteLink:
    """`on_state(True, address)` with every new connection, also when moving from one broker to another without a gap
    (the new one knows nothing of ours yet); `on_state(False, reason)` when there is none. Callbacks come from threads
    of ours and must not block. ValueError if an option makes no sense."""

    def __init__(
        self, options: SiteOptions, *, deliver: Callable[[Inbound], None], on_state: Callable[[bool, str], None]
    ) -> None:
        self._options = options
        self._deliver = deliver
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
        self._events: queue.Queue[Callable[[], list[Action]]] = queue.Queue(limits.LINK_EVENTS_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="site-link", daemon=True)
        self._lock = threading.Lock()  # around the set of links and watches
        self._link: Link | None = None
        self._links: dict[Link, Target] = {}
        self._attempts: list[Link] = []
        self._watches: tuple[Watch, ...] = ()
        self._texts = Texts()
        self._hearing = False
        self._counts = dict.fromkeys((*COUNTED, "connections", "drops", "hints_dropped"), 0)
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
        """As Link.publish. False without a connection; repair mends it."""
        link = self._link
        if link is None:
            with self._lock:
                self._counts["dropped_unlinked"] += 1
            return False
        return link.publish(channel, index, payload)

    def publish_text(self, topic: str, text: str, *, retain: bool = False) -> bool:
        """Text for people. Retained text is said again to every new broker; other text waits, bounded, for the next
        connection. False: dropped and counted."""
        return self._texts.say(topic, text, retain, self._speaker)

    def watch(self, topic_filter: str, callback: Callable[[str, bytes], None]) -> None:
        """Subscribe for as long as this lives; not for frames. ValueError beyond WATCHES_MAX."""
        with self._lock:
            if len(self._watches) >= limits.WATCHES_MAX:
                raise ValueError(f"more than {limits.WATCHES_MAX} topic filters are watched")
            self._watches = (*self._watches, Watch(topic_filter, callback))
            for link in self._links:
                link.watch(topic_filter, callback)

    def set_rank(self, rank: int) -> None:
        """Our position among the members that may host has changed."""
        self._post_hint(lambda: self._choice.rank_changed(rank, _now_ms()))

    def status(self) -> dict[str, Any]:
        link = self._link
        target = self._target_of(link)
        hosted = self._hosting.hosted
        return {
            "broker": target.address if target is not None else None,
            "connected": target is not None,
            "discovery": target.origin if target is not None else None,
            "since": self._since_ms if target is not None else None,
            "drops": self._counts["drops"],
            "reason": None if target is not None else next(iter(self._refusals.values()), self._reason),
            "hosting": hosted is not None,
            "engine": hosted.engine if hosted is not None else None,
            "hosted": f"{hosted.host}:{hosted.port}" if hosted is not None else None,
            "mdns": self._adverts.state,
        }

    def counts(self) -> dict[str, int]:
        """Sums over all connections so far."""
        with self._lock:
            total = dict(self._counts)
            links = list(self._links)
        for link in links:
            for name, value in link.counts().items():
                total[name] += value
        total["texts_dropped"] = self._texts.dropped
        return {**total, **self._adverts.counts(), **self._choice.counts()}

    def _speaker(self) -> Say | None:
        link = self._link
        return partial(_say, link) if link is not None else None

    def _target_of(self, link: Link | None) -> Target | None:
        with self._lock:
            return self._links.get(link) if link is not None else None

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
                self._connect(target)
            case Drop():
                pass  # done where it was decided
            case Host():
                self._hosting.start()
            case Unhost():
                self._hosting.stop()
            case Advertise(port, rank):
                self._hear()
                self._adverts.advertise_broker(port, rank=rank, listen=self._options.listen)
            case Withdraw():
                self._adverts.withdraw()

    def _hear(self) -> None:
        if self._options.discover and self._adverts.state == "off":
            self._hearing = True
            self._adverts.start()

    def _leave(self) -> None:
        self._adverts.stop(0)
        with self._lock:
            links = list(self._links)
        for link in links:
            link.stop(0)
        deadline = time.monotonic() + _LEAVE_S
        for link in links:
            link.stop(max(0.01, deadline - time.monotonic()))
        broker = self._hosting.forget()
        if broker is not None:
            broker.stop()
        self._adverts.stop(_LEAVE_S)
        self._link = None

    # Connections

    def _connect(self, target: Target) -> None:
        holder: list[Link] = []
        with self._lock:
            link = Link(
                self._options.mqtt(target),
                deliver=self._deliver,
                on_state=lambda up, reason: self._post(partial(self._link_changed, holder[0], up, reason)),
                watches=self._watches,
            )
            holder.append(link)
            self._links[link] = target
        self._attempts.append(link)
        link.start()

    def _link_changed(self, link: Link, up: bool, reason: str) -> list[Action]:
        target = self._links[link]
        return self._link_up(link, target) if up else self._link_down(link, target, reason)

    def _link_up(self, link: Link, target: Target) -> list[Action]:
        if link not in self._attempts:
            return []
        self._attempts.remove(link)
        actions = self._choice.linked(target.key, _now_ms())
        if Drop(target.key) in actions:
            link.stop(0)
            return actions
        old, self._link = self._link, link
        self._since_ms = int(time.time() * 1000)
        self._counts["connections"] += 1
        self._refusals, self._said = {}, set()
        log.info("site linked broker=%s discovery=%s", target.address, target.origin)
        self._texts.say_again(partial(_say, link))
        self._on_state(True, target.address)
        if old is not None:
            old.stop(0)
        return actions

    def _link_down(self, link: Link, target: Target, reason: str) -> list[Action]:
        with self._lock:
            del self._links[link]
            for name, value in link.counts().items():
                self._counts[name] += value
        if link is self._link:
            self._link = None
            self._counts["drops"] += 1
            self._said = set()
            self._explain(f"broker {target.address}: {reason}")
            self._on_state(False, self._reason)
        elif link in self._attempts:
            self._attempts.remove(link)
            self._explain_failure(link, target, reason)
        else:
            return []  # one that was left for a better one
        if target.origin == "configured":
            self._hear()
        return self._choice.unlinked(target.key, _now_ms(), refused=reason if link.refused else "")

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
            log.log(logging.DEBUG if self._link is not None else logging.WARNING, "site unreachable reason=%r", reason)
        self._reason = reason

    # Adverts

    def _advert_found(self, advert: BrokerAdvert) -> list[Action]:
        return self._choice.found(Found(advert.name, advert.host, advert.port, advert.rank), _now_ms())

    def _advert_lost(self, name: str) -> list[Action]:
        return self._choice.lost(name, _now_ms())

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


def _say(link: Link, topic: str, text: str, retain: bool) -> bool:
    return link.publish_text(topic, text, retain=retain)


def _now_ms() -> float:
    return time.monotonic() * 1000
