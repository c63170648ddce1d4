"""Who hosts, and who retires: the rules of edge/shell/choice.py for our own broker."""

import pytest

from edge.shell.candidates import OWN_KEY
from edge.shell.choice import (
    HOST_WAIT_MS,
    HOST_WAIT_PER_RANK_MS,
    HOST_WAIT_RANKS_MAX,
    LISTEN_WAIT_MS,
    RETIRE_LINGER_MS,
    SECOND_WAIT_PER_RANK_MS,
    Advertise,
    Drop,
    Host,
    Unhost,
    Withdraw,
)
from tests.unit.shell.choice_driver import AUTO, HIGH, LOW, MIDDLE, Driver, World, connects, key

# Hosting


@pytest.mark.parametrize("rank", [0, 1, 7])
def test_a_lonely_node_hosts_after_a_wait_that_grows_with_its_rank(rank):
    driver = Driver(rank=rank)
    wait = HOST_WAIT_MS + rank * HOST_WAIT_PER_RANK_MS
    assert driver.after(wait - 1) == []
    assert driver.after(1) == [Host()]
    assert driver.after(60_000) == [], "it is starting already"


def test_the_wait_of_high_ranks_is_bounded():
    wait = HOST_WAIT_MS + HOST_WAIT_RANKS_MAX * HOST_WAIT_PER_RANK_MS
    assert Driver(rank=3_000).until(Host, wait) == wait


def test_what_is_hosted_is_told_and_used():
    driver = Driver(rank=2)
    driver.after(10_000)
    told, connect = driver.hosted("127.0.0.1", 2000)
    assert told == Advertise(2000, AUTO + 2)
    assert connects([connect]) == ["127.0.0.1:2000"]
    assert driver.linked(OWN_KEY) == []
    assert [target.origin for target in driver.choice.targets] == ["hosted"]


@pytest.mark.parametrize("rank", [0, 1, 7, 300])
def test_with_one_broker_a_node_hosts_the_second_after_a_wait_that_grows_with_its_rank(rank):
    driver = Driver(rank=rank)
    driver.now += 400
    driver.join(LOW)
    wait = HOST_WAIT_MS + rank * SECOND_WAIT_PER_RANK_MS
    assert driver.after(wait - 1) == []
    assert driver.after(1) == [Host()]


def test_with_two_brokers_nobody_else_hosts():
    driver = Driver(rank=0)
    driver.join(MIDDLE, HIGH)
    assert all(driver.after(1_000) == [] for _ in range(100)), "of a lower rank, but they are there"


def test_when_one_of_two_is_lost_the_next_takes_its_place_while_the_other_is_used():
    driver = Driver(rank=3)
    driver.join(LOW, MIDDLE)
    driver.now += 60_000
    driver.lost(LOW.name)
    driver.unlinked(key(LOW))
    assert driver.ports() == [1050]
    assert driver.until(Host, 10_000) == HOST_WAIT_MS + 3 * SECOND_WAIT_PER_RANK_MS
    driver.hosted("127.0.0.1", 2000)
    driver.linked(OWN_KEY)
    assert driver.ports() == [2000, 1050]


def test_a_broker_that_only_this_machine_reaches_is_not_hosted_as_the_second_of_a_network():
    driver = Driver(rank=0)
    driver.join(LOW._replace(host="10.0.0.1"))
    assert all(driver.after(1_000) == [] for _ in range(100))
    driver = Driver(rank=0, listen="10.0.0.2")
    driver.join(LOW._replace(host="10.0.0.1"))
    assert driver.until(Host, 1_000) == HOST_WAIT_MS


def test_a_broker_that_only_this_machine_reaches_retires_for_one_of_the_network():
    driver = Driver(rank=0)
    driver.host()
    assert driver.join(HIGH._replace(host="10.0.0.1")) == [Withdraw()]
    driver.until(Unhost, RETIRE_LINGER_MS + 10)
    assert driver.ports() == [1099]


def test_never_means_never():
    driver = Driver(host="never")
    assert all(driver.after(1_000) == [] for _ in range(100))


def test_always_hosts_at_once_and_outranks_everyone_else():
    driver = Driver(host="always", rank=30)
    assert driver.after(0) == [Host()]
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, 30)
    driver.linked(OWN_KEY)
    driver.join(LOW)
    assert driver.found(MIDDLE) == []
    assert driver.ports() == [2000, 1001], "rank 30 that hosts always comes before rank 0 by default"
    assert driver.choice.is_hosting


def test_hosting_waits_until_adverts_can_be_heard_but_not_for_ever():
    assert Driver(hears=True).until(Host, 10_000) == pytest.approx(LISTEN_WAIT_MS + HOST_WAIT_MS, abs=10)
    driver = Driver(hears=True)
    driver.after(200)
    driver.listening()
    assert driver.until(Host, 10_000) == HOST_WAIT_MS


def test_a_broker_that_does_not_start_is_tried_again_ever_more_slowly():
    driver = Driver()
    driver.until(Host, 1_000)
    waits = []
    for _ in range(4):
        assert driver.unhosted() == []
        waits.append(driver.until(Host, 60_000))
    assert waits == [500, 1_000, 2_000, 4_000]


def test_a_hosted_broker_that_ends_is_hosted_again():
    driver = Driver()
    driver.host()
    assert driver.unhosted() == [Withdraw()]
    assert driver.unlinked(OWN_KEY) == []
    assert driver.until(Host, 10_000) >= HOST_WAIT_MS


def test_a_hosted_broker_that_does_not_answer_us_is_ended():
    driver = Driver()
    driver.until(Host, 1_000)
    driver.hosted("127.0.0.1", 2000)
    assert driver.unlinked(OWN_KEY) == [Withdraw(), Unhost()]
    assert driver.until(Host, 10_000) > 0


# Hosts meet


def test_two_hosts_keep_both_brokers():
    for found in (LOW, HIGH):
        driver = Driver(rank=5)
        driver.host()
        driver.join(found)
        assert driver.after(60_000) == []
        assert sorted(driver.ports()) == sorted([2000, found.port])


def test_the_third_host_retires_only_after_both_others_answered():
    driver = Driver(rank=5)
    driver.host()
    driver.join(LOW)
    assert connects(driver.found(MIDDLE)) == ["127.0.0.1:1050"]
    assert driver.after(10_000) == [], "while the second has not answered"
    assert driver.linked(key(MIDDLE)) == [Drop(OWN_KEY), Withdraw()]
    assert driver.after(RETIRE_LINGER_MS - 1) == [], "its clients get time to move"
    assert driver.after(1) == [Unhost()]
    assert not driver.choice.is_hosting
    assert driver.ports() == [1001, 1050]


def test_of_three_hosts_the_lower_two_stay():
    driver = Driver(rank=3)
    driver.host()
    driver.join(LOW)
    assert driver.found(HIGH) == []
    assert driver.after(60_000) == []
    assert driver.choice.is_hosting


def test_a_host_whose_rivals_do_not_answer_stays():
    driver = Driver(rank=5)
    driver.host()
    driver.join(LOW)
    driver.found(MIDDLE)
    assert driver.unlinked(key(MIDDLE)) == []
    assert driver.choice.is_hosting
    assert driver.ports() == [1001, 2000]


def test_a_retiring_host_whose_successor_goes_away_stays_host():
    driver = Driver(rank=5)
    driver.host()
    driver.join(LOW, MIDDLE)
    actions = driver.unlinked(key(LOW))
    assert Advertise(2000, AUTO + 5) in actions
    assert connects(actions) == ["127.0.0.1:2000"]
    driver.linked(OWN_KEY)
    assert driver.ports() == [1050, 2000]


def test_two_better_brokers_that_came_while_ours_was_starting_end_ours_untold():
    driver = Driver(rank=5)
    driver.until(Host, 10_000)
    driver.join(LOW, MIDDLE)
    assert driver.hosted("127.0.0.1", 2000) == [Unhost()]


def test_worse_brokers_that_came_while_ours_was_starting_are_left_for_ours():
    driver = Driver(rank=0)
    driver.until(Host, 10_000)
    driver.join(MIDDLE, HIGH)
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, AUTO)
    assert driver.linked(OWN_KEY) == [Drop(key(HIGH))]
    assert driver.ports() == [2000, 1050]
    assert driver.after(60_000) == []


def test_a_new_rank_is_told_and_followed():
    driver = Driver(rank=0)
    driver.host()
    driver.join(MIDDLE)
    driver.found(HIGH)
    assert driver.choice.rank_changed(0, driver.now) == [], "no news"
    actions = driver.choice.rank_changed(20, driver.now)
    assert actions[0] == Advertise(2000, AUTO + 20)
    assert connects(actions) == ["127.0.0.1:1099"]
    assert driver.linked(key(HIGH)) == [Drop(OWN_KEY), Withdraw()]


# A whole site


def test_a_site_of_many_comes_to_two_brokers_and_two_halves_of_it_too():
    """Everyone hears an advert 200 ms after a broker is up, and a CONNECT takes 20 ms."""
    site = World([0, 1, 2, 5, 9, 30])
    site.run(10_000)
    assert site.hosting() == [0, 1]
    site.cut({0, 2, 9}, {1, 5, 30})
    site.run(10_000)
    assert site.hosting() == [0, 1, 2, 5], "each half has two"
    site.mend()
    site.run(5_000)
    assert site.hosting() == [0, 1]
    assert all(driver.ports() == [2000, 2001] for driver in site.drivers.values())
    site.end(0)
    assert all(2001 in driver.ports() for driver in site.drivers.values()), "nobody is without a broker"
    site.run(5_000)
    assert site.hosting() == [1, 2]
