"""Adverts between real processes, on loopback only."""

import json
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from edge.shell.mdns import SERVICE, AdvertOptions, Adverts, BrokerAdvert
from tests.integration.links import DEADLINE_S, Recorder

TELLER = """
import json, sys
from edge.shell.mdns import AdvertOptions, Adverts
site, node_id = sys.argv[1:3]
options = AdvertOptions(site=site, node_id=node_id, interfaces=("127.0.0.1",))
adverts = Adverts(options, found=lambda advert: None, lost=lambda name: None)
adverts.start()
for line in sys.stdin:
    command = json.loads(line)
    if command is None:
        adverts.withdraw()
    elif command == "stop":
        break
    else:
        adverts.advertise_broker(command["port"], rank=command["rank"], listen=command["listen"])
adverts.stop(5)
print(adverts.state, flush=True)
"""


class Teller:
    """Adverts in another process."""

    def __init__(self, site: str, node_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TELLER, site, node_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        with self.process:
            self.process.kill()


@pytest.fixture
def site() -> str:
    return secrets.token_hex(8)


class Listener:
    def __init__(self, site: str, node_id: str = "11" * 32) -> None:
        self.found, self.lost = Recorder(), Recorder()
        self.adverts = Adverts(
            AdvertOptions(site=site, node_id=node_id, interfaces=("127.0.0.1",)),
            found=self.found.add,
            lost=self.lost.add,
        )


@pytest.fixture
def listener(site: str) -> Iterator[Listener]:
    listener = Listener(site)
    listener.adverts.start()
    yield listener
    listener.adverts.stop(DEADLINE_S)
    assert listener.adverts.state == "off"


@pytest.fixture
def teller(site: str) -> Iterator[Teller]:
    node_id = secrets.token_hex(32)
    teller = Teller(site, node_id)
    teller.node_id = node_id  # type: ignore[attr-defined]
    yield teller
    teller.end()


def test_a_broker_is_told_changed_and_taken_back(site, listener, teller):
    name = teller.node_id[:16]
    teller.tell({"port": 1884, "rank": 7, "listen": "127.0.0.1"})
    expected = BrokerAdvert("127.0.0.1", 1884, site, name[:8], 7, name)
    listener.found.wait(lambda found: expected in found, "the advert")
    teller.tell({"port": 1885, "rank": 3, "listen": "127.0.0.1"})
    listener.found.wait(lambda found: expected._replace(port=1885, rank=3) in found, "the new address")
    teller.tell(None)
    listener.lost.wait(lambda lost: lost.count(name) >= 1, "taken back")


def test_who_comes_later_hears_it_too_and_a_clean_leave(site, teller):
    teller.tell({"port": 1884, "rank": 7, "listen": "127.0.0.1"})
    first = Listener(site)
    first.adverts.start()
    try:
        first.found.wait_count(1, "heard")
        later = Listener(site, "22" * 32)
        later.adverts.start()
        later.found.wait_count(1, "heard later")
        later.adverts.stop(DEADLINE_S)
        teller.tell("stop")
        first.lost.wait_count(1, "the goodbye")
        assert teller.process.stdout is not None
        assert teller.process.stdout.readline() == "off\n"
    finally:
        first.adverts.stop(DEADLINE_S)


def test_another_site_and_oneself_are_ignored(site, listener):
    stranger, twin, friend = Teller("00" * 8, "33" * 32), Teller(site, "11" * 32), Teller(site, "44" * 32)
    try:
        for other, port in ((stranger, 1), (twin, 2), (friend, 3)):
            other.tell({"port": port, "rank": 0, "listen": "127.0.0.1"})
        listener.found.wait(lambda found: any(advert.port == 3 for advert in found), "the friend")
        ignored = threading.Event()
        for _ in range(int(DEADLINE_S / 0.02)):
            if listener.adverts.counts()["adverts_foreign"] >= 1:
                break
            ignored.wait(0.02)
        assert listener.adverts.counts()["adverts_foreign"] >= 1
        assert {advert.port for advert in listener.found.items()} == {3}
    finally:
        for other in (stranger, twin, friend):
            other.end()


def test_junk_under_our_service_type_does_no_harm(site, listener, teller):
    from zeroconf import IPVersion, ServiceInfo, Zeroconf

    junk = Zeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only, use_asyncio=False)
    try:
        for name, properties in (
            ("not-a-key", {"v": "1"}),
            ("ab" * 8, {"v": "1", "site": site, "role": "broker", "node": "x" * 200, "rank": "-5"}),
            ("cd" * 8, {}),
        ):
            info = ServiceInfo(
                SERVICE,
                f"{name}.{SERVICE}",
                port=1,
                properties=properties,
                server=f"{name}.local.",
                addresses=[socket.inet_aton("127.0.0.1")],
            )
            junk.register_service(info, cooperating_responders=True)
        teller.tell({"port": 1884, "rank": 7, "listen": "127.0.0.1"})
        listener.found.wait_count(1, "the good one among the junk")
        assert [advert.port for advert in listener.found.items()] == [1884]
        assert listener.adverts.counts()["adverts_ignored"] >= 2
    finally:
        junk.close()


def test_zeroconf_is_not_even_imported_before_start():
    code = "import sys, edge.shell.site; print('zeroconf' in sys.modules, 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split() == [
        "False",
        "False",
    ]


# zeroconf 0.154 leaves its socket to the garbage collector when an interface is refused.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_an_interface_that_is_not_there_is_a_state_not_an_error(site):
    adverts = Adverts(
        AdvertOptions(site=site, node_id="11" * 32, interfaces=("203.0.113.9",)),
        found=lambda advert: None,
        lost=lambda name: None,
    )
    adverts.start()
    waiting = threading.Event()
    for _ in range(int(DEADLINE_S / 0.02)):
        if adverts.state.startswith("failing"):
            break
        waiting.wait(0.02)
    assert adverts.state.startswith("failing: ")
    adverts.stop(DEADLINE_S)
    assert adverts.state == "off"


def test_a_loopback_broker_is_not_told_to_the_network(site, monkeypatch):
    """With every interface in use a broker on 127.0.0.1 is announced there and nowhere else."""
    import zeroconf

    opened: list[object] = []
    registered: list[tuple[object, list[str]]] = []
    repeated: list[list[str]] = []

    class Spy(zeroconf.Zeroconf):
        def __init__(self, interfaces: object, **options: object) -> None:
            self.asked_for = interfaces
            opened.append(interfaces)
            super().__init__(interfaces=["127.0.0.1"], **options)  # the test itself stays on loopback

        def register_service(self, info: zeroconf.ServiceInfo, *args: object, **options: object) -> None:
            registered.append((self.asked_for, info.parsed_addresses()))

        def unregister_service(self, info: zeroconf.ServiceInfo) -> None:
            pass

        def send(self, out: zeroconf.DNSOutgoing, *args: object, **options: object) -> None:
            repeated.append([answer.name for answer, _ in out.answers])

    monkeypatch.setattr(zeroconf, "Zeroconf", Spy)
    adverts = Adverts(AdvertOptions(site=site, node_id="11" * 32), found=lambda advert: None, lost=lambda name: None)
    adverts.advertise_broker(1884, rank=0, listen="127.0.0.1")
    adverts._reconcile()
    assert registered == [(["127.0.0.1"], ["127.0.0.1"])]
    adverts.advertise_broker(1884, rank=0, listen="192.168.1.5")
    adverts._reconcile()
    assert registered[1] == (zeroconf.InterfaceChoice.All, ["192.168.1.5"])
    repeated.clear()
    adverts._reconcile()
    assert [SERVICE in names for names in repeated] == [True], "it is repeated, for those who were cut off"
    adverts.withdraw()
    adverts._reconcile()
    adverts._reconcile()
    assert len(repeated) == 1, "until it is taken back"
    adverts._close()
