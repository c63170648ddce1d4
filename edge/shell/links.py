"""The connections of a node, and what goes over which.

What concerns everyone (vertices, frontiers, rosters, people's text) goes over each of them: whichever broker ends,
whoever holds another one misses nothing and has nothing to repair. So do requests, which are small: whom they are for
may have just left a broker, as happens to a whole site when a cut is mended. What is large and for one member goes over
the link it was last heard on, asking or speaking; what a broker remembers of it says nothing about where it is. What
two links bring is let in once.
"""

import threading
from collections.abc import Callable
from functools import partial

from edge import limits
from edge.shell.candidates import Target
from edge.shell.mqtt import COUNTED, NO_SENDER, Ears, Inbound, Link, MqttOptions, Watch
from edge.shell.topics import ADDRESSED
from edge.shell.twins import Twins
from edge.wire.frame import Channel
from edge.wire.speaker import claimed_speaker

ROUTED = tuple(channel for channel in ADDRESSED if channel is not Channel.REQUEST)
"""Channels of which one member is to get one copy."""

Changed = Callable[[Link, bool, str], None]
Hinted = Callable[[Link, int, bytes], None]


class Links:
    """Publishing, watching and counting from any thread; the rest from the one that decides. `changed` and `hinted`
    come from the links' threads: up or not and why, and which broker a member says it hosts."""

    def __init__(
        self,
        options: Callable[[Target], MqttOptions],
        *,
        deliver: Callable[[Inbound], None],
        changed: Changed,
        hinted: Hinted,
    ) -> None:
        self._options = options
        self._deliver = deliver
        self._changed = changed
        self._hinted = hinted
        self._lock = threading.Lock()  # around what is alive, watched and counted
        self._alive: dict[Link, Target] = {}
        self._watches: tuple[Watch, ...] = ()
        self._gateways: tuple[int, ...] = ()
        self._is_voting = False
        self._counts = dict.fromkeys((*COUNTED, "routes_forgotten"), 0)
        self._used: tuple[Link, ...] = ()  # replaced as a whole, so that nobody has to lock
        self._twins = Twins()
        self._heard: dict[int, Link] = {}

    # Any thread

    @property
    def used(self) -> tuple[Link, ...]:
        """Those that are up and not being left, best first."""
        return self._used

    def target(self, link: Link) -> Target:
        with self._lock:
            return self._alive[link]

    def rows(self) -> list[tuple[Link, Target]]:
        """The used ones, and where they lead."""
        with self._lock:
            return [(link, self._alive[link]) for link in self._used if link in self._alive]

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        """As Link.publish, on all or on one; whether any took it."""
        used = self._used
        if channel in ROUTED:
            link = self._heard.get(index)
            if link in used and link.publish(channel, index, payload):
                return True
        taken = False
        for link in used:
            taken = link.publish(channel, index, payload) or taken
        if not used:
            with self._lock:
                self._counts["dropped_unlinked"] += 1
        return taken

    def publish_text(self, topic: str, text: str, retain: bool) -> bool:
        taken = False
        for link in self._used:
            taken = link.publish_text(topic, text, retain=retain) or taken
        return taken

    def watch(self, topic_filter: str, callback: Callable[[str, bytes], None]) -> None:
        """On every link there is and will be. ValueError beyond WATCHES_MAX."""
        with self._lock:
            if len(self._watches) >= limits.WATCHES_MAX:
                raise ValueError(f"more than {limits.WATCHES_MAX} topic filters are watched")
            self._watches = (*self._watches, Watch(topic_filter, callback))
            for link in self._alive:
                link.watch(topic_filter, callback)

    def hear(self, gateways: tuple[int, ...]) -> None:
        """The members who are gateways now, on every link there is and will be."""
        with self._lock:
            self._gateways = gateways
            for link in self._alive:
                link.hear(gateways)

    def vote(self, is_wanted: bool) -> None:
        """Whether anybody votes on this site: then each link has a connection for that beside it."""
        with self._lock:
            self._is_voting = is_wanted
            for link in self._alive:
                link.vote(is_wanted)

    def counts(self) -> dict[str, int]:
        """Sums over all links so far."""
        with self._lock:
            total = dict(self._counts)
            alive = list(self._alive)
        for link in alive:
            for name, value in link.counts().items():
                total[name] += value
        return total

    # The thread that decides

    def connect(self, target: Target) -> Link:
        """Begin; `changed` tells how it went."""
        holder: list[Link] = []
        ears = Ears(
            deliver=lambda inbound: self._take(holder[0], inbound),
            hint=lambda index, payload: self._hinted(holder[0], index, payload),
            is_twin=lambda topic, payload: self._is_twin(holder[0], topic, payload),
        )
        with self._lock:
            link = Link(
                self._options(target),
                ears,
                on_state=lambda up, reason: self._changed(holder[0], up, reason),
                watches=self._watches,
            )
            link.hear(self._gateways)
            link.vote(self._is_voting)
            holder.append(link)
            self._alive[link] = target
        link.start()
        return link

    def use(self, link: Link) -> None:
        """It is up: publish on it from now on."""
        used = {one: self.target(one).order for one in (*self._used, link)}
        self._used = tuple(sorted(used, key=used.__getitem__))

    def disuse(self, link: Link) -> bool:
        """It is lost or being left; whether it was in use."""
        was_used = link in self._used
        self._used = tuple(one for one in self._used if one is not link)
        return was_used

    def ended(self, link: Link) -> None:
        """It is gone for good."""
        with self._lock:
            del self._alive[link]
            for name, value in link.counts().items():
                self._counts[name] += value
        self._heard = {index: other for index, other in list(self._heard.items()) if other is not link}

    def stop(self) -> list[Link]:
        """Begin to leave all of them; returned are those to wait for."""
        with self._lock:
            alive = list(self._alive)
        self._used = ()
        for link in alive:
            link.stop(0)
        return alive

    # The links' threads

    def _take(self, link: Link, inbound: Inbound) -> None:
        sender = _speaker_of(inbound)
        if sender != NO_SENDER:
            heard = self._heard
            if len(heard) >= limits.MEMBERS_MAX and sender not in heard:
                self._heard = heard = {}  # strangers made members up; those who are will be heard again
                self._counts["routes_forgotten"] += 1
            heard[sender] = link
        self._deliver(inbound)

    def _is_twin(self, link: Link, topic: bytes | str, payload: bytes) -> bool:
        return len(self._used) > 1 and self._twins.is_second(topic, payload, id(link))


def _speaker_of(inbound: Inbound) -> int:
    """Who is at that broker now, by what it says itself; a hint like every sender before its signature is checked."""
    if inbound.channel is Channel.REQUEST:
        claimed = claimed_speaker(Channel.REQUEST, inbound.payload)
        return NO_SENDER if claimed is None else claimed
    return NO_SENDER if inbound.is_remembered else inbound.sender


def speaker(link: Link) -> Callable[[str, str, bool], bool]:
    """Text for people on this link alone."""
    return partial(_say, link)


def _say(link: Link, topic: str, text: str, retain: bool) -> bool:
    return link.publish_text(topic, text, retain=retain)
