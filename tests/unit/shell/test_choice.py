"""Which broker is used: the rules of edge/shell/choice.py for those that others host."""

from edge import limits
from edge.shell.candidates import BACKOFF_MAX_MS, OWN_KEY, REFUSED_RETRY_MS, STABLE_MS, Found
from edge.shell.choice import (
    ATTEMPT_GRACE_MS,
    ATTEMPT_STAGGER_MS,
    ATTEMPTS_MAX,
    HOST_WAIT_MS,
    RETIRE_LINGER_MS,
    Advertise,
    Connect,
    Drop,
    Host,
    Unhost,
    Withdraw,
)
from tests.unit.shell.choice_driver import AUTO, HIGH, LOW, Driver, connects, key

# Adverts


def test_a_found_broker_is_tried_at_once_and_nothing_is_hosted():
    driver = Driver()
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    driver.linked(key(LOW))
    assert driver.after(60_000) == []
    assert driver.choice.current.origin == "mdns"


def test_an_attempt_that_hangs_holds_back_hosting_only_for_a_while():
    driver = Driver()
    driver.found(LOW)
    assert driver.until(Host, 60_000) == HOST_WAIT_MS + ATTEMPT_GRACE_MS


def test_a_stale_advert_does_not_keep_a_node_from_hosting():
    driver = Driver()
    driver.found(LOW)
    driver.unlinked(key(LOW))
    assert driver.until(Host, 60_000) == HOST_WAIT_MS


def test_a_broker_of_a_lower_rank_is_moved_to_without_a_gap():
    driver = Driver()
    driver.found(HIGH)
    driver.linked(key(HIGH))
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    assert driver.choice.current.port == 1099, "until the better one has accepted"
    driver.linked(key(LOW))
    assert driver.choice.current.port == 1001
    assert driver.found(HIGH) == []


def test_equal_ranks_are_told_apart_by_name():
    driver = Driver()
    twin = LOW._replace(name="0f" * 8, port=1002)
    driver.found(twin)
    driver.linked(key(twin))
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]


def test_a_better_broker_that_does_not_answer_costs_nothing():
    driver = Driver()
    driver.found(HIGH)
    driver.linked(key(HIGH))
    driver.found(LOW)
    driver.unlinked(key(LOW))
    assert driver.choice.current.port == 1099
    waits = []
    for _ in range(10):
        waits.append(driver.until(Connect, 100_000))
        driver.unlinked(key(LOW))
    assert waits[:3] == [500, 1_000, 2_000]
    assert waits[-1] == 60_000


def test_the_loss_of_an_advert_does_not_end_a_connection():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    assert driver.lost(LOW.name) == []
    assert driver.choice.current.port == 1001
    driver.unlinked(key(LOW))
    assert connects(driver.after(250)) == [], "but nobody says any more that it is there"


def test_a_host_that_came_back_on_another_port_is_another_broker():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    driver.unlinked(key(LOW))
    assert connects(driver.found(LOW._replace(port=1002))) == ["127.0.0.1:1002"]


def test_found_brokers_are_bounded_and_the_oldest_unproven_makes_room():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    for number in range(1, limits.CANDIDATE_BROKERS_MAX + 6):
        driver.found(Found(f"{number:016x}", "127.0.0.1", 3000 + number, AUTO + 100 + number))
    counts = driver.choice.counts()
    assert counts == {"brokers_known": limits.CANDIDATE_BROKERS_MAX, "brokers_evicted": 6}
    driver.unlinked(key(LOW))
    assert connects(driver.after(300)) == ["127.0.0.1:1001"], "what was proven was kept"


# Addresses that swallow packets


def test_another_broker_is_tried_beside_one_that_does_not_answer():
    driver = Driver()
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    assert driver.found(HIGH) == [], "the first gets a moment"
    assert driver.after(ATTEMPT_STAGGER_MS - 1) == []
    assert connects(driver.after(1)) == ["127.0.0.1:1099"]
    driver.linked(key(HIGH))
    assert driver.choice.current.port == 1099
    driver.linked(key(LOW))
    assert driver.choice.current.port == 1001, "late, but better"


def test_a_worse_broker_that_answers_after_a_better_one_is_dropped():
    driver = Driver()
    driver.found(LOW)
    driver.found(HIGH)
    driver.after(ATTEMPT_STAGGER_MS)
    driver.linked(key(LOW))
    assert driver.linked(key(HIGH)) == [Drop(key(HIGH))]
    assert driver.choice.current.port == 1001


def test_attempts_side_by_side_are_bounded():
    driver = Driver()
    for number in range(1, 9):
        driver.found(Found(f"{number:016x}", "10.0.0.1", number, AUTO))
    tried = [address for _ in range(50) for address in connects(driver.after(100))]
    assert len(tried) == ATTEMPTS_MAX - 1, "and the first one when it was found"


def test_our_own_broker_is_used_at_once_while_a_lost_one_swallows_our_packets():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    driver.now += 60_000
    driver.unlinked(key(LOW))
    driver.until(Connect, 1_000)
    driver.until(Host, HOST_WAIT_MS)
    actions = driver.hosted("127.0.0.1", 2000)
    assert connects(actions) == ["127.0.0.1:2000"]


# Loss


def test_after_a_loss_the_other_known_brokers_are_tried_at_once():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    driver.found(HIGH)
    assert connects(driver.unlinked(key(LOW))) == ["127.0.0.1:1099"]


def test_a_lost_broker_is_tried_again_in_a_moment_before_anything_is_hosted():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    driver.now += STABLE_MS
    assert driver.unlinked(key(LOW)) == []
    assert connects(driver.after(250)) == ["127.0.0.1:1001"]


def test_a_broker_that_keeps_dropping_us_is_tried_ever_more_slowly():
    driver = Driver("mqtt://broker")
    driver.tick()
    waits = []
    for _ in range(7):
        driver.linked("url-0")
        assert driver.unlinked("url-0") == []
        waits.append(driver.until(Connect, 60_000))
    assert waits == sorted(waits)
    assert waits[0] < 500
    assert waits[-1] == BACKOFF_MAX_MS


def test_all_lose_their_broker_and_the_lowest_rank_hosts_first():
    waits = []
    for rank in (1, 2, 3):
        driver = Driver(rank=rank)
        driver.found(LOW)
        driver.linked(key(LOW))
        driver.now += 60_000
        driver.unlinked(key(LOW))
        spent = driver.until(Connect, 1_000)
        driver.unlinked(key(LOW))
        waits.append(spent + driver.until(Host, 10_000))
    assert waits == [650, 800, 950]


# Configured brokers


def test_configured_brokers_are_tried_in_order_and_nothing_is_hosted():
    driver = Driver("mqtt://one", "mqtts://two:9000")
    assert connects(driver.tick()) == ["one:1883"]
    assert connects(driver.unlinked("url-0")) == ["two:9000"]
    driver.unlinked("url-1")
    for _ in range(200):
        for action in driver.after(100):
            assert isinstance(action, Connect)
            driver.unlinked(action.target.key)


def test_the_first_configured_broker_is_gone_back_to_when_it_answers():
    driver = Driver("mqtt://one", "mqtt://two")
    driver.tick()
    driver.unlinked("url-0")
    driver.linked("url-1")
    driver.until(Connect, 60_000)
    driver.linked("url-0")
    assert driver.choice.current.host == "one"


def test_a_configured_broker_that_refuses_is_tried_again_slowly_and_nothing_is_hosted():
    driver = Driver("mqtt://one", host="always")
    driver.found(LOW)
    driver.unlinked("url-0", refused="not authorised")
    assert driver.until(Connect, 100_000) == REFUSED_RETRY_MS
    driver.unlinked("url-0", refused="not authorised")
    assert not any(isinstance(action, Host) for _ in range(100) for action in driver.after(100))


def test_a_found_broker_that_refuses_is_not_answered_with_a_rival():
    driver = Driver()
    driver.found(LOW)
    driver.unlinked(key(LOW), refused="not authorised")
    assert driver.until(Connect, 100_000) == REFUSED_RETRY_MS
    assert driver.lost(LOW.name) == []
    assert driver.unlinked(key(LOW)) == [Host()], "it is gone"


def test_found_brokers_help_out_while_no_configured_one_answers():
    driver = Driver("mqtt://one")
    assert connects(driver.found(LOW)) == ["one:1883"]
    assert connects(driver.unlinked("url-0")) == ["127.0.0.1:1001"]
    driver.linked(key(LOW))
    driver.until(Connect, 100_000)
    driver.linked("url-0")
    assert driver.choice.current.origin == "configured"


def test_always_with_configured_brokers_hosts_once_all_of_them_failed_and_retires_when_one_is_back():
    driver = Driver("mqtt://one", "mqtt://two", host="always", rank=3)
    driver.tick()
    assert not any(isinstance(action, Host) for action in driver.unlinked("url-0"))
    assert Host() in driver.unlinked("url-1")
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, 3)
    driver.linked(OWN_KEY)
    driver.until(Connect, 100_000)
    assert driver.linked("url-0") == [Withdraw()]
    assert driver.until(Unhost, 10_000) <= RETIRE_LINGER_MS + 10


def test_it_says_how_long_nothing_needs_deciding():
    driver = Driver()
    assert driver.choice.wait_ms(driver.now) <= 50
    driver.host()
    assert driver.choice.wait_ms(driver.now) == 1_000
    driver.found(LOW._replace(rank=AUTO - 1))
    driver.linked(f"{LOW.name}@127.0.0.1:1001")
    assert driver.choice.wait_ms(driver.now) == RETIRE_LINGER_MS
