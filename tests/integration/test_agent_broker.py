"""A broker that is not there or wants a password: the reason stands in `status`, recording goes on, nothing is lost."""

import socket
import time
from pathlib import Path

from edge.wire import suite
from edge.wire.suite import SUITE_BY_NAME
from tests.integration.agents import SUITE, Node, at, broker, field, until
from tests.integration.test_people_topics import Subscriber

CREDENTIALS = 'username = "ana"\npassword_file = "password"\n'


def password(node: Node, text: str) -> None:
    file = node.directory / "password"
    file.write_text(text + "\n")
    file.chmod(0o600)


def test_nobody_listens_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed_port = free.getsockname()[1]
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(at(closed_port))
        one.up()
        one.waits_for(lambda status: "Connection refused" in (status["mqtt"]["reason"] or ""), "says why")
        mqtt = one.now()["mqtt"]
        assert mqtt["reason"] == f"broker 127.0.0.1:{closed_port}: Connection refused"
        assert (mqtt["connected"], mqtt["hosting"]) == (False, False)
        one.says("warning", f"broker 127.0.0.1:{closed_port}", "Connection refused")
        one.feed(1, 2, 3)
        one.records_event(3)
        assert one.values(1) == [1, 2, 3]
        assert one.down() == 0


def test_a_broker_that_wants_a_password(tmp_path: Path) -> None:
    with broker(username="ana", password="geheim") as port, field(tmp_path, "one", "two") as site:
        one, two = site["one"], site["two"]
        password(two, "geheim")
        two.configure(at(port, CREDENTIALS))
        two.up()
        two.waits_for(lambda status: status["mqtt"]["connected"], "who knows the password comes in")

        one.configure(at(port))
        one.up()
        refused = f"broker 127.0.0.1:{port} refused: not authorised; set [mqtt] username and password_file"
        one.waits_for(lambda status: status["mqtt"]["reason"] == refused, "says why, and what to set")
        one.feed(1, 2)
        one.records_event(2)
        assert one.down() == 0

        password(one, "falsch")
        one.configure(at(port, CREDENTIALS))
        one.up()
        one.waits_for(lambda status: status["mqtt"]["reason"] == refused, "a wrong password is no better")
        assert "falsch" not in one.said() + str(one.now())
        one.feed(3)
        one.records_event(1)
        assert site.index("one") not in {header.author for header in two.headers()}
        assert one.down() == 0

        password(one, "geheim")
        one.up()
        one.feed(4)
        one.waits_for(lambda status: status["mqtt"]["connected"], "the right one opens")
        site.agree()
        assert two.values(site.index("one")) == [1, 2, 3, 4], "everything that was recorded offline arrived"
        for node in site:
            assert node.down() == 0
            assert node.audit()["ok"]


def test_a_password_file_that_is_not_there(tmp_path: Path) -> None:
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(at(1883, CREDENTIALS))
        code, said = one.fails()
        assert code == 78
        assert f"password_file = {one.directory / 'password'}" in said or str(one.directory / "password") in said
        assert "password_file" in said


def test_an_agent_that_left_the_configuration_leaves_the_broker_at_the_next_start(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(at(port))
        one.up()
        one.waits_for(lambda status: status["mqtt"]["connected"], "is linked")
        one.feed(1)
        shown = Subscriber(port, "synedge/n/one/agent/#", "homeassistant/#")
        try:
            before = dict(line.split(" ", 1) for line in sorted(shown.lines(2)))
            (discovery,) = (topic for topic in before if topic.startswith("homeassistant/"))
            assert "synedge/n/one/agent/level" in before and "agent_level" in before[discovery]
            assert one.down() == 0

            one.configure(at(port), sensor=False)
            one.up()
            after = [line.split(" ", 1) for line in shown.lines(3)]
        finally:
            shown.close()
        assert ["synedge/n/one/agent/level", "(null)"] in after
        removal, final = (text for topic, text in after if topic == discovery)
        assert '"agent_level":{"platform":"sensor"}' in removal and "agent_level" not in final
        assert one.down() == 0


def test_a_roster_that_grows_changes_the_order_of_hosts(tmp_path: Path) -> None:
    """Gateways come first in it: with a new one everybody else is one further down."""
    with broker() as port, field(tmp_path, "one", "two") as site:
        one, two = site["one"], site["two"]
        for node in site:
            node.configure(at(port))
        one.up()
        one.waits_for(lambda status: status["mqtt"]["connected"], "is linked")
        rank = one.counts()["host_rank"]
        number = SUITE_BY_NAME[SUITE].number
        key = suite.Signer(number, bytes(32)).public_key
        site.site.add("gate", number, key, roles=("gateway",), label="", now_ms=time.time_ns() // 1_000_000)
        (two.directory / site.site.roster_file.name).write_bytes(site.site.roster_file.read_bytes())
        two.up()
        until(lambda: one.counts()["host_rank"] == rank + 1, "the new rank", one)
        assert one.down() == 0
        one.up()
        assert one.counts()["host_rank"] == rank + 1, "its log knows more than its file"
