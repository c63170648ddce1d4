"""People's messages while brokers come and go."""

from edge import limits
from edge.shell.texts import Texts


class Broker:
    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.heard: list[tuple[str, str, bool]] = []

    def say(self, topic: str, text: str, retain: bool) -> bool:
        if self.takes:
            self.heard.append((topic, text, retain))
        return self.takes


def test_with_a_broker_everything_is_said_at_once():
    texts, broker = Texts(), Broker()
    assert texts.say("state", "1", True, lambda: broker.say)
    assert texts.say("event", "2", False, lambda: broker.say)
    assert broker.heard == [("state", "1", True), ("event", "2", False)]


def test_a_new_broker_hears_the_last_of_what_is_retained_and_nothing_else_twice():
    texts, old, new = Texts(), Broker(), Broker()
    for text in ("1", "2"):
        texts.say("state", text, True, lambda: old.say)
        texts.say("event", text, False, lambda: old.say)
    texts.say_again(new.say)
    assert new.heard == [("state", "2", True)]


def test_without_a_broker_messages_wait_in_order():
    texts, broker = Texts(), Broker()
    assert texts.say("event", "1", False, lambda: None)
    assert texts.say("state", "x", True, lambda: None)
    assert texts.say("event", "2", False, lambda: None)
    texts.say_again(broker.say)
    assert broker.heard == [("state", "x", True), ("event", "1", False), ("event", "2", False)]
    texts.say_again(broker.say)
    assert broker.heard[3:] == [("state", "x", True)]


def test_what_a_broker_does_not_take_goes_on_waiting():
    texts, broken, broker = Texts(), Broker(takes=False), Broker()
    assert texts.say("event", "1", False, lambda: broken.say)
    texts.say_again(broken.say)
    texts.say_again(broker.say)
    assert broker.heard == [("event", "1", False)]


def test_what_waits_is_bounded_and_what_is_dropped_is_counted():
    texts, broker = Texts(), Broker()
    for number in range(limits.TEXTS_WAITING_MAX):
        assert texts.say("event", str(number), False, lambda: None)
    assert not texts.say("event", "one more", False, lambda: None)
    assert texts.dropped == 1
    texts.say_again(broker.say)
    assert len(broker.heard) == limits.TEXTS_WAITING_MAX


def test_retained_topics_are_bounded_but_known_ones_may_change():
    texts = Texts()
    for number in range(limits.TEXTS_RETAINED_MAX):
        assert texts.say(f"state/{number}", "1", True, lambda: None)
    assert not texts.say("state/one-more", "1", True, lambda: None)
    assert texts.say("state/0", "2", True, lambda: None)
    assert texts.dropped == 1
