"""A broker that is not there or wants a password: the reason stands in `status`, recording goes on, nothing is lost."""

import socket
from pathlib import Path

from tests.integration.agents import Node, at, broker, field

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
