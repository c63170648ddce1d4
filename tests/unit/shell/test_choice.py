"""Which brokers are used: the rules of edge/shell/choice.py for those that others host."""

from itertools import permutations

from edge import limits
from edge.shell.candidates import (
    BACKOFF_MAX_MS,
    BACKOFF_MS,
    MISSED_BACKOFF_MAX_MS,
    MISSED_MS,
    OWN_KEY,
    REFUSED_RETRY_MS,
    STABLE_MS,
    Found,
)
from edge.shell.choice import (
    ATTEMPT_GRACE_MS,
    ATTEMPT_STAGGER_MS,
    ATTEMPTS_MAX,
    HOST_WAIT_MS,
    MISSED_WAIT_PER_RANK_MS,
    RETIRE_LINGER_MS,
    Advertise,
    Connect,
    Drop,
    Host,
    Unhost,
    Withdraw,
)
from tests.unit.shell.choice_driver import AUTO, HIGH, LOW, MIDDLE, Driver, connects, key

# Adverts


def test_the_first_two_found_are_used_and_nothing_is_hosted():
    driver = Driver(rank=5)
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    driver.linked(key(LOW))
    assert connects(driver.found(HIGH)) == ["127.0.0.1:1099"], "one is not enough"
    assert driver.linked(key(HIGH)) == []
    assert driver.after(60_000) == []
    assert [target.origin for target in driver.choice.targets] == ["mdns", "mdns"]


def test_an_attempt_that_hangs_holds_back_hosting_only_for_a_while():
    driver = Driver()
    driver.found(LOW)
    assert driver.until(Host, 60_000) == HOST_WAIT_MS + ATTEMPT_GRACE_MS


def test_a_stale_advert_does_not_keep_a_node_from_hosting():
    driver = Driver()
    driver.found(LOW)
    driver.unlinked(key(LOW))
    assert driver.until(Host, 60_000) == HOST_WAIT_MS


def test_a_third_of_a_lower_rank_is_moved_to_without_a_gap():
    driver = Driver()
    driver.join(MIDDLE, HIGH)
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    assert driver.ports() == [1050, 1099], "until the better one has accepted"
    assert driver.linked(key(LOW)) == [Drop(key(HIGH))]
    assert driver.ports() == [1001, 1050]
    assert driver.found(HIGH) == []


def test_a_third_of_a_higher_rank_is_left_alone():
    driver = Driver()
    driver.join(LOW, MIDDLE)
    assert driver.found(HIGH) == []
    assert driver.after(60_000) == []


def test_equal_ranks_are_told_apart_by_name():
    driver = Driver()
    twins = [LOW._replace(name=name, port=port) for name, port in (("0f" * 8, 1002), ("0e" * 8, 1003))]
    driver.join(*twins)
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"]
    assert driver.linked(key(LOW)) == [Drop(key(twins[0]))]


def test_a_better_broker_that_does_not_answer_costs_nothing():
    driver = Driver()
    driver.join(MIDDLE, HIGH)
    driver.found(LOW)
    driver.unlinked(key(LOW))
    assert driver.ports() == [1050, 1099]
    waits = []
    for _ in range(10):
        waits.append(driver.until(Connect, 100_000))
        driver.unlinked(key(LOW))
    assert waits[:3] == [500, 1_000, 2_000]
    assert waits[-1] == BACKOFF_MAX_MS[2] == 60_000


def test_all_meet_at_the_same_two_whatever_the_order_in_which_they_hear():
    found = [LOW, MIDDLE, HIGH, LOW._replace(name="77" * 8, port=1007, rank=AUTO + 2)]
    for order in permutations(found):
        driver = Driver(rank=50)
        for one in order:
            for action in driver.found(one):
                driver.linked(action.target.key)
            driver.now += ATTEMPT_STAGGER_MS
        assert driver.ports() == [1001, 1007], order
        assert len(driver.ports()) == limits.LINKS_MAX


# One broker under two names


def test_two_addresses_of_one_broker_are_one():
    driver = Driver("mqtt://one", "mqtt://alias", "mqtt://other")
    driver.tick()
    assert connects(driver.linked("url-0", peer="10.0.0.1:1883")) == ["alias:1883"]
    actions = driver.linked("url-1", peer="10.0.0.1:1883")
    assert actions[0] == Drop("url-1")
    assert connects(actions) == ["other:1883"]
    driver.linked("url-2", peer="10.0.0.2:1883")
    assert [target.key for target in driver.choice.targets] == ["url-0", "url-2"]
    assert driver.after(60_000) == [], "the alias is known to be one"
    assert connects(driver.unlinked("url-0")) == ["alias:1883"]


def test_a_host_told_at_two_addresses_is_one():
    driver = Driver(rank=5)
    driver.join(LOW)
    elsewhere = LOW._replace(host="10.0.0.1", origin="broker")
    assert connects(driver.found(elsewhere)) == []
    assert driver.ports() == [1001]
    assert connects(driver.unlinked(key(LOW))) == ["10.0.0.1:1001"]


def test_the_loss_of_an_advert_does_not_end_a_connection():
    driver = Driver()
    driver.found(LOW)
    driver.linked(key(LOW))
    assert driver.lost(LOW.name) == []
    assert driver.ports() == [1001]
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
    assert counts["brokers_known"] == limits.CANDIDATE_BROKERS_MAX
    assert counts["brokers_evicted"] == 6
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
    assert driver.ports() == [1099]
    driver.linked(key(LOW))
    assert driver.ports() == [1001, 1099], "late, but better"


def test_a_worse_broker_that_answers_after_two_better_ones_is_dropped():
    driver = Driver()
    for found in (HIGH, LOW, MIDDLE):
        driver.found(found)
        driver.after(ATTEMPT_STAGGER_MS)
    driver.linked(key(LOW))
    driver.linked(key(MIDDLE))
    assert driver.linked(key(HIGH)) == [Drop(key(HIGH))]
    assert driver.ports() == [1001, 1050]


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
    driver.join(LOW, MIDDLE)
    driver.found(HIGH)
    assert connects(driver.unlinked(key(LOW))) == ["127.0.0.1:1099"]
    driver.linked(key(HIGH))
    assert driver.ports() == [1050, 1099]


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
    assert waits[-1] == BACKOFF_MAX_MS[0]


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


def test_a_broker_that_stood_is_looked_for_with_haste_for_a_while():
    driver = Driver(rank=10)
    driver.join(LOW, MIDDLE)
    driver.found(HIGH)
    driver.now += STABLE_MS
    assert connects(driver.unlinked(key(LOW))) == ["127.0.0.1:1099"]
    driver.linked(key(HIGH))
    spent = 0.0
    waits = []
    while spent < MISSED_MS + 200_000:
        waits.append(driver.until(Connect, 100_000))
        spent += waits[-1]
        driver.unlinked(key(LOW))
    assert waits[10] == MISSED_BACKOFF_MAX_MS + 10 * MISSED_WAIT_PER_RANK_MS
    assert waits[-1] == BACKOFF_MAX_MS[2]


def missing(lost_ms: float) -> Driver:
    """Far down in the order; has lost the better of two brokers so long ago, and tried it in vain since."""
    driver = Driver(rank=200)
    driver.join(LOW, MIDDLE)
    driver.now += STABLE_MS
    driver.unlinked(key(LOW))
    until = driver.now + lost_ms
    while driver.now < until:
        driver.until(Connect, 100_000)
        driver.unlinked(key(LOW))
    driver.now += BACKOFF_MS
    return driver


def test_a_missed_broker_that_somebody_tells_of_again_is_tried_at_once_but_not_at_every_word():
    driver = missing(MISSED_MS / 2)
    assert driver.tick() == []
    assert connects(driver.found(LOW)) == ["127.0.0.1:1001"], "its host is there again"
    driver.unlinked(key(LOW))
    assert [connects(driver.found(LOW)) for _ in range(5)] == [[]] * 5
    assert connects(driver.after(BACKOFF_MS)) == ["127.0.0.1:1001"]


def test_an_advert_that_goes_on_for_what_cannot_be_reached_changes_nothing():
    assert missing(2 * MISSED_MS).found(LOW) == []


def test_what_is_missed_is_tried_at_once_when_the_host_of_what_there_is_retires():
    driver = missing(MISSED_MS / 2)
    assert driver.lost(HIGH.name) == [], "nothing to do with us"
    assert connects(driver.lost(MIDDLE.name)) == ["127.0.0.1:1001"]


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


def test_the_first_two_configured_brokers_are_gone_back_to_when_they_answer():
    driver = Driver("mqtt://one", "mqtt://two", "mqtt://three")
    driver.tick()
    driver.unlinked("url-0")
    assert connects(driver.linked("url-1")) == ["three:1883"]
    driver.linked("url-2")
    driver.until(Connect, 60_000)
    assert driver.linked("url-0") == [Drop("url-2")]
    assert [target.host for target in driver.choice.targets] == ["one", "two"]


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


def test_found_brokers_fill_the_places_that_configured_ones_leave():
    driver = Driver("mqtt://one")
    assert connects(driver.found(LOW)) == ["one:1883"]
    assert connects(driver.unlinked("url-0")) == ["127.0.0.1:1001"]
    driver.linked(key(LOW))
    driver.until(Connect, 100_000)
    driver.linked("url-0")
    assert [target.origin for target in driver.choice.targets] == ["configured", "mdns"]


def test_always_hosts_beside_one_configured_broker_and_retires_when_two_answer():
    driver = Driver("mqtt://one", "mqtt://two", host="always", rank=3)
    assert connects(driver.tick()) == ["one:1883"]
    (tried,) = driver.linked("url-0")
    assert connects([tried]) == ["two:1883"]
    assert Host() in driver.unlinked("url-1")
    assert driver.hosted("127.0.0.1", 2000)[0] == Advertise(2000, 3)
    driver.linked(OWN_KEY)
    driver.until(Connect, 100_000)
    assert driver.linked("url-1") == [Drop(OWN_KEY), Withdraw()]
    assert driver.until(Unhost, 10_000) <= RETIRE_LINGER_MS + 10


def test_a_host_among_the_configured_brokers_knows_itself():
    """The same list of brokers everywhere, also on the machines that host them."""
    driver = Driver("mqtt://self", "mqtt://other", host="always")
    driver.tick()
    driver.unlinked("url-0")
    assert Host() in driver.linked("url-1", peer="10.0.0.2:1883")
    driver.hosted("127.0.0.1", 1883)
    driver.linked(OWN_KEY, peer=":1883")
    driver.until(Connect, 60_000)
    assert driver.linked("url-0", peer=":1883") == [Drop(OWN_KEY)], "and neither retires nor connects twice"
    assert driver.after(60_000) == []
    assert driver.choice.is_hosting


def test_it_says_how_long_nothing_needs_deciding():
    driver = Driver()
    assert driver.choice.wait_ms(driver.now) <= 50
    driver.host()
    driver.now += 60_000
    assert driver.choice.wait_ms(driver.now) == 1_000
    driver.join(LOW._replace(rank=AUTO - 2), MIDDLE._replace(rank=AUTO - 1))
    assert driver.choice.wait_ms(driver.now) == RETIRE_LINGER_MS
