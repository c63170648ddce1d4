"""What a broker carries about brokers: read strictly, believed as far as a CONNECT."""

import json

import pytest

from edge import limits
from edge.shell import hints
from edge.shell.candidates import Found
from edge.shell.hints import HostHint, own_hint, read_hint

GOOD = {"name": "ab" * 8, "rank": 7, "port": 1884, "addresses": ["10.0.0.1"]}


def encoded(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_what_a_host_says_reads_back():
    told = own_hint("ab" * 8, 7, 1884, "10.0.0.1", ())
    assert read_hint(told.encode(), is_local=False) == told == HostHint("ab" * 8, 7, 1884, ("10.0.0.1",))
    assert told.found() == Found("ab" * 8, "10.0.0.1", 1884, 7, "broker")


def test_a_host_that_listens_everywhere_names_its_addresses():
    told = own_hint("ab" * 8, 7, 1884, "0.0.0.0", ("192.168.1.5", "127.0.0.1", "10.0.0.1"))
    assert told.addresses == ("192.168.1.5", "10.0.0.1")
    many = own_hint("ab" * 8, 7, 1884, "0.0.0.0", tuple(f"10.0.0.{n}" for n in range(1, 30)))
    assert len(many.addresses) == limits.HINT_ADDRESSES_MAX
    longest = own_hint("ab" * 8, 8191, 65535, "0.0.0.0", ("255.255.255.255",) * limits.HINT_ADDRESSES_MAX)
    assert len(longest.encode()) <= limits.HINT_BYTES_MAX


def test_the_address_in_a_network_of_ours_is_tried(monkeypatch):
    monkeypatch.setattr(hints, "networks", lambda: ("10.0.0.9/24",))
    assert HostHint("ab" * 8, 7, 1884, ("192.168.1.5", "10.0.0.1")).found().host == "10.0.0.1"


def test_loopback_is_told_and_believed_on_this_machine_only():
    told = own_hint("ab" * 8, 7, 1884, "127.0.0.1", ())
    assert told.is_private
    assert read_hint(told.encode(), is_local=False) is None
    assert read_hint(told.encode(), is_local=True) == told
    both = encoded(addresses=["127.0.0.1", "10.0.0.1"])
    hint = read_hint(both, is_local=False)
    assert hint is not None
    assert hint.addresses == ("10.0.0.1",)


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"[" * 1000,
        encoded(name="AB" * 8),
        encoded(name=7),
        encoded(name="ab"),
        encoded(rank=-1),
        encoded(rank=2 * limits.MEMBERS_MAX),
        encoded(rank=True),
        encoded(rank="7"),
        encoded(port=0),
        encoded(port=65536),
        encoded(port=1884.0),
        encoded(addresses=[]),
        encoded(addresses="10.0.0.1"),
        encoded(addresses=["broker.example"]),
        encoded(addresses=[167772161]),
        encoded(addresses=["10.0.0.1"] * (limits.HINT_ADDRESSES_MAX + 1)),
        encoded(more="x" * limits.HINT_BYTES_MAX),
    ],
)
def test_anything_else_is_refused(payload):
    assert read_hint(payload, is_local=True) is None


def test_a_good_one_is_good():
    assert read_hint(encoded(), is_local=False) is not None
