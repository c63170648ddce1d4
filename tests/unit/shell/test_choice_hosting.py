"""Who hosts, and who retires: the rules of edge/shell/choice.py for our own broker."""

import pytest

from edge.shell.candidates import OWN_KEY
from edge.shell.choice import (
    HOST_WAIT_MS,
    HOST_WAIT_PER_RANK_MS,
    HOST_WAIT_RANKS_MAX,
    LISTEN_WAIT_MS,
    RETIRE_LINGER_MS,
    Advertise,
    Host,
    Unhost,
    Withdraw,
)
from tests.unit.shell.choice_driver import AUTO, HIGH, LOW, Driver, connects, key

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
    assert driver.choice.current.origin == "hosted"


def test_never_means_never():
    driver = Driver(host="never")
    assert all(driver.after(1_000) == [] for _ in range(100))


def test_always_hosts_at_once_and_outranks_everyone_else():
    driver = Driver(host="always", rank=30)
    assert driver.after(0) == [Host()]
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, 30)
    driver.linked(OWN_KEY)
    assert driver.found(LOW) == [], "rank 30 that hosts always comes before rank 0 by default"


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


# Two hosts meet


def test_the_host_with_the_higher_rank_retires_only_after_the_other_one_answered():
    driver = Driver(rank=5)
    driver.host()
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    assert driver.choice.is_hosting
    assert driver.linked(key(LOW)) == [Withdraw()]
    assert driver.after(RETIRE_LINGER_MS - 1) == [], "its clients get time to move"
    assert driver.after(1) == [Unhost()]
    assert not driver.choice.is_hosting


def test_the_host_with_the_lower_rank_stays():
    driver = Driver(rank=0)
    driver.host()
    assert driver.found(HIGH) == []
    assert driver.after(60_000) == []


def test_a_host_whose_rival_does_not_answer_stays():
    driver = Driver(rank=5)
    driver.host()
    driver.found(LOW)
    assert driver.unlinked(key(LOW)) == []
    assert driver.choice.is_hosting
    assert driver.choice.current.origin == "hosted"


def test_a_retiring_host_whose_successor_goes_away_stays_host():
    driver = Driver(rank=5)
    driver.host()
    driver.found(LOW)
    driver.linked(key(LOW))
    actions = driver.unlinked(key(LOW))
    assert Advertise(2000, AUTO + 5) in actions
    assert connects(actions) == ["127.0.0.1:2000"]
    driver.linked(OWN_KEY)
    assert driver.choice.current.origin == "hosted"


def test_a_better_broker_that_came_while_ours_was_starting_ends_ours_untold():
    driver = Driver(rank=5)
    driver.until(Host, 10_000)
    driver.found(LOW)
    driver.linked(key(LOW))
    assert driver.hosted("127.0.0.1", 2000) == [Unhost()]


def test_a_worse_broker_that_came_while_ours_was_starting_is_left_for_ours():
    driver = Driver(rank=0)
    driver.until(Host, 10_000)
    driver.found(HIGH)
    driver.linked(key(HIGH))
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, AUTO)
    driver.linked(OWN_KEY)
    assert driver.choice.current.port == 2000
    assert driver.after(60_000) == []


def test_a_new_rank_is_told_and_followed():
    driver = Driver(rank=0)
    driver.host()
    driver.found(HIGH)
    actions = driver.choice.rank_changed(20, driver.now)
    assert actions[0] == Advertise(2000, AUTO + 20)
    assert connects(actions) == ["127.0.0.1:1099"]
