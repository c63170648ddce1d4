"""What is read from an advert, and what is not believed."""

import pytest

from edge.shell.mdns import AdvertOptions, BrokerAdvert, nearest_first, read_advert

OWN = AdvertOptions(site="ab" * 8, node_id="11" * 32)
GOOD = {b"v": b"1", b"site": b"ab" * 8, b"node": b"22" * 4, b"rank": b"7", b"role": b"broker"}
NAME = "22" * 8


def test_a_good_advert():
    advert = read_advert(NAME, 1884, ["10.0.0.2", "10.0.1.2"], GOOD, OWN)
    assert advert == BrokerAdvert("10.0.0.2", 1884, "ab" * 8, "22" * 4, 7, NAME)


def test_the_instance_is_named_after_the_key():
    assert OWN.name == "11" * 8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({b"site": b"cd" * 8}, "another site"),
        ({b"site": None}, "another site"),
        ({b"v": b"2"}, "another version or role"),
        ({b"role": b"archive"}, "another version or role"),
        ({b"role": b"\xff"}, "another version or role"),
        ({b"rank": b"-1"}, "malformed"),
        ({b"rank": b""}, "malformed"),
        ({b"rank": b"9999999999999"}, "malformed"),
        ({b"rank": b"99999"}, "malformed"),
        ({b"rank": "٣".encode()}, "malformed"),
        ({b"node": b"xyz"}, "malformed"),
        ({b"node": None}, "malformed"),
    ],
)
def test_others_are_not_for_us(change, reason):
    assert read_advert(NAME, 1884, ["10.0.0.2"], {**GOOD, **change}, OWN) == reason


@pytest.mark.parametrize(("port", "addresses"), [(None, ["10.0.0.2"]), (0, ["10.0.0.2"]), (1884, [])])
def test_an_advert_says_where(port, addresses):
    assert read_advert(NAME, port, addresses, GOOD, OWN) == "malformed"


def test_addresses_in_our_networks_come_first():
    addresses = ["172.17.0.1", "192.168.1.5", "10.0.0.9"]
    assert nearest_first(addresses, ["127.0.0.1/8", "192.168.1.77/24"]) == ["192.168.1.5", "172.17.0.1", "10.0.0.9"]
    assert nearest_first(addresses, []) == addresses
