"""Telling and hearing by mDNS which nodes host a broker: `_synedge._tcp.local.` on chosen interfaces.

An advert is a hint: it may lead to a CONNECT, never to more. Nobody waits for it: zeroconf is imported, started and
spoken to in a thread of our own. Instance names derive from the node's key, so nothing has to be probed for uniqueness
(`cooperating_responders`). A broker that listens on loopback is told of on loopback only.

An advert is repeated every few seconds: listeners forget it after its TTL, and zeroconf, having asked when it started,
would ask again up to an hour later, so that a site cut for minutes would stay in two.

Three traps of hearing soon (RFC 6762): a responder may not repeat itself on multicast within a second (§6), which is
just when a site starts up; an answer by unicast to port 5353 reaches one of the processes that share it, mostly the
wrong one (§5.4); and equal multicast questions are dropped as duplicates. So whoever starts also asks from a port of
its own (§6.7, answered at once and directly), while the standing browser asks for multicast answers only.
"""

import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from edge import limits
from edge.shell.broker_config import is_loopback

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

log = logging.getLogger(__name__)

SERVICE = "_synedge._tcp.local."
LOOPBACK = "127.0.0.1"
_NAME = re.compile(r"[0-9a-f]{16}")
_HEX8 = re.compile(r"[0-9a-f]{8}")
_TTL_S = 120
_ASK_MS = 500
_RETRY_S = 5.0
_ASKING_S = 3.0  # how long the questions from a port of our own go on
_LOOK_S = 5.0  # how soon a new network interface is noticed, and how often an advert is repeated
RANK_MAX = 2 * limits.MEMBERS_MAX
_VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertOptions:
    """Whose adverts. `interfaces`: addresses of ours, or none for all there are."""

    site: str
    """Site id, 16 hex digits."""
    node_id: str
    """Node id in hex; its first 16 digits name the instance."""
    interfaces: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.node_id[:16]


class BrokerAdvert(NamedTuple):
    """What an advert of our site claims. `name` is its instance name, unique per node."""

    host: str
    port: int
    site: str
    node_id8: str
    rank: int
    name: str


class _Wanted(NamedTuple):
    port: int
    rank: int
    listen: str


def read_advert(
    name: str,
    port: int | None,
    addresses: Iterable[str],
    properties: Mapping[bytes, bytes | None],
    options: AdvertOptions,
) -> BrokerAdvert | str:
    """The advert, or why it is not for us."""
    text = {
        key.decode("ascii", "replace"): (value or b"").decode("ascii", "replace") for key, value in properties.items()
    }
    if text.get("v") != _VERSION or text.get("role") != "broker":
        return "another version or role"
    if text.get("site") != options.site:
        return "another site"
    node, rank = text.get("node", ""), text.get("rank", "")
    known = [address for address in addresses if address]
    if not _HEX8.fullmatch(node) or not rank.isdigit() or not rank.isascii() or len(rank) > 6 or not port or not known:
        return "malformed"
    if int(rank) >= RANK_MAX:
        return "malformed"
    return BrokerAdvert(known[0], port, options.site, node, int(rank), name)


def nearest_first(addresses: Iterable[str], own: Iterable[str]) -> list[str]:
    """Addresses in one of our networks (`192.168.1.7/24`) before the others."""
    near = [ipaddress.ip_network(network, strict=False) for network in own]
    return sorted(addresses, key=lambda address: not any(ipaddress.ip_address(address) in one for one in near))


def reachable_at(listen: str, own: Iterable[str]) -> list[str]:
    """Where others reach a broker that listens there; `own` are our addresses, with or without prefix lengths."""
    if listen not in ("0.0.0.0", "::", ""):
        return [listen]
    return [address for one in own if not is_loopback(address := one.partition("/")[0])] or [LOOPBACK]


class Adverts:
    """`found` and `lost` come from zeroconf's threads; they enqueue and return."""

    def __init__(
        self, options: AdvertOptions, *, found: Callable[[BrokerAdvert], None], lost: Callable[[str], None]
    ) -> None:
        assert _NAME.fullmatch(options.name), options.name
        self.state = "off"
        """`off`, `starting`, `on`, or `failing: <why>`."""
        self._options = options
        self._found = found
        self._lost = lost
        self._counts = {"adverts_seen": 0, "adverts_ignored": 0, "adverts_foreign": 0}
        self._wanted: _Wanted | None = None
        self._told: _Wanted | None = None
        self._stopping = False
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mdns", daemon=True)
        self._hearing: Zeroconf | None = None
        self._asking: Zeroconf | None = None
        self._asking_until = 0.0
        self._speaking: Zeroconf | None = None
        self._info: ServiceInfo | None = None
        self._networks: tuple[str, ...] = ()
        self._unread: dict[str, Zeroconf] = {}
        """Instances of which only the name was heard, and by whom."""

    def start(self) -> None:
        """Listen; returns at once."""
        self.state = "starting"
        self._thread.start()

    def advertise_broker(self, port: int, *, rank: int, listen: str) -> None:
        """Tell of our broker from now on; again with other values to change them."""
        self._wanted = _Wanted(port, rank, listen)
        self._changed.set()

    def withdraw(self) -> None:
        self._wanted = None
        self._changed.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Say goodbye and stop listening."""
        self._wanted = None
        self._stopping = True
        self._changed.set()
        if timeout_s > 0 and self._thread.is_alive():
            self._thread.join(timeout_s)

    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    # The thread

    def _run(self) -> None:
        look_at = 0.0
        while not self._stopping:
            try:
                if self._told != self._wanted or time.monotonic() >= look_at:
                    look_at = time.monotonic() + _LOOK_S
                    self._reconcile()
                    self.state = "on"
                if self._unread:
                    self._look_up()
                pause_s = 0.0 if self._unread else max(0.0, look_at - time.monotonic())
            except Exception as error:
                # zeroconf raises many kinds, most of them for a network that is not there yet.
                self.state = f"failing: {error or type(error).__name__}"
                log.warning("mdns failing reason=%r", str(error))
                self._close()
                look_at, pause_s = 0.0, _RETRY_S
            self._changed.wait(pause_s)
            self._changed.clear()
        self._close()
        self.state = "off"

    def _reconcile(self) -> None:
        seen = networks()
        if self._hearing is not None and seen != self._networks and not self._options.interfaces:
            log.info("mdns interfaces changed networks=%s", ",".join(seen))
            self._close()
        if self._hearing is None:
            self._networks = seen
            self._open()
        if self._told != self._wanted:
            self._tell(self._wanted)
        elif self._info is not None and self._speaking is not None:
            self._speaking.send(self._speaking.generate_service_broadcast(self._info, None))
        if self._asking is not None and time.monotonic() >= self._asking_until:
            self._asking.close()
            self._asking = None

    def _open(self) -> None:
        from zeroconf import DNSQuestionType, InterfaceChoice, IPVersion, ServiceBrowser, Zeroconf

        chosen: Any = list(self._options.interfaces) or InterfaceChoice.All
        self._hearing = Zeroconf(interfaces=chosen, ip_version=IPVersion.V4Only, use_asyncio=False)
        ServiceBrowser(self._hearing, SERVICE, handlers=[self._heard], question_type=DNSQuestionType.QM)
        self._asking = Zeroconf(interfaces=chosen, unicast=True, ip_version=IPVersion.V4Only, use_asyncio=False)
        ServiceBrowser(self._asking, SERVICE, handlers=[self._heard], question_type=DNSQuestionType.QU)
        self._asking_until = time.monotonic() + _ASKING_S

    def _tell(self, wanted: _Wanted | None) -> None:
        from zeroconf import IPVersion, Zeroconf

        if self._info is not None and self._speaking is not None:
            self._speaking.unregister_service(self._info)
        if self._speaking is not None and self._speaking is not self._hearing:
            self._speaking.close()
        self._info = self._speaking = self._told = None
        if wanted is None:
            return
        assert self._hearing is not None
        self._speaking = self._hearing
        if is_loopback(wanted.listen) and not all(is_loopback(one) for one in self._options.interfaces or ("",)):
            self._speaking = Zeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only, use_asyncio=False)
        self._info = self._service(wanted)
        self._speaking.register_service(self._info, cooperating_responders=True)
        self._told = wanted

    def _service(self, wanted: _Wanted) -> "ServiceInfo":
        from zeroconf import ServiceInfo

        name = self._options.name
        properties = {
            "v": _VERSION,
            "site": self._options.site,
            "node": self._options.node_id[:8],
            "rank": str(wanted.rank),
            "role": "broker",
        }
        return ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=wanted.port,
            properties=properties,
            server=f"synedge-{name}.local.",
            host_ttl=_TTL_S,
            other_ttl=_TTL_S,
            parsed_addresses=reachable_at(wanted.listen, self._options.interfaces or self._networks),
        )

    def _close(self) -> None:
        instances = {self._speaking, self._hearing, self._asking} - {None}
        self._speaking = self._hearing = self._asking = self._info = self._told = None
        for instance in instances:
            assert instance is not None
            try:
                instance.close()
            except Exception as error:
                log.debug("mdns close failed reason=%r", str(error))

    # zeroconf's browser thread

    def _heard(self, zeroconf: "Zeroconf", service_type: str, name: str, state_change: Any) -> None:
        instance = name.removesuffix(f".{service_type}")
        if not _NAME.fullmatch(instance):
            self._counts["adverts_ignored"] += 1
            return
        if instance == self._options.name:
            return
        if state_change.name == "Removed":
            if zeroconf is not self._asking:
                self._lost(instance)
            return
        self._counts["adverts_seen"] += 1
        if not self._read(zeroconf, instance, ask=False):
            self._look_up_later(zeroconf, instance)

    def _look_up_later(self, zeroconf: "Zeroconf", instance: str) -> None:
        """Asking takes half a second where nobody answers, which must not hold up an advert that says everything.

        The newest are asked for, no more than could become candidates: of a flood the rest is not missed.
        """
        self._unread.pop(instance, None)
        self._unread[instance] = zeroconf
        while len(self._unread) > limits.CANDIDATE_BROKERS_MAX:
            self._unread.pop(next(iter(self._unread)), None)
            self._counts["adverts_ignored"] += 1
        self._changed.set()

    def _look_up(self) -> None:
        """Ask for one that did not say everything, the newest first."""
        instance, zeroconf = self._unread.popitem()
        if zeroconf in (self._hearing, self._asking) and not self._read(zeroconf, instance, ask=True):
            self._counts["adverts_ignored"] += 1

    def _read(self, zeroconf: "Zeroconf", instance: str, *, ask: bool) -> bool:
        """Pass on what an advert says; False if that is not known."""
        from zeroconf import ServiceInfo

        info = ServiceInfo(SERVICE, f"{instance}.{SERVICE}")
        if not info.load_from_cache(zeroconf) and not (ask and info.request(zeroconf, _ASK_MS)):
            return False
        advert = self._advert_of(instance, info)
        if isinstance(advert, BrokerAdvert):
            self._found(advert)
        else:
            self._counts["adverts_foreign" if advert == "another site" else "adverts_ignored"] += 1
            log.debug("mdns advert ignored name=%s reason=%r", instance, advert)
        return True

    def _advert_of(self, instance: str, info: "ServiceInfo") -> BrokerAdvert | str:
        from zeroconf import IPVersion

        addresses = nearest_first(info.parsed_addresses(IPVersion.V4Only), self._networks)
        return read_advert(instance, info.port, addresses, info.properties, self._options)


def networks() -> tuple[str, ...]:
    """Our IPv4 addresses with their prefix lengths, sorted."""
    import ifaddr

    found = {
        f"{address.ip}/{address.network_prefix}"
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
        if address.is_IPv4
    }
    return tuple(sorted(found))
