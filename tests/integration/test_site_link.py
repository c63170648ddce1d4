"""A SiteLink in this process: what it does while there is no broker, or none that answers."""

import secrets
import socket
import time

import pytest

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.site import SiteLink, SiteOptions
from tests.integration.links import DEADLINE_S, Recorder, linked


def test_what_waited_is_said_to_the_new_broker():
    """The same, seen by somebody who was there first."""
    hosted = HostedBroker(BrokerOptions(engine="mosquitto"))
    port = hosted.start().port
    states = Recorder()
    options = SiteOptions(
        site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True, urls=(f"mqtt://127.0.0.1:{port}",)
    )
    link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: states.add(up))
    try:
        assert link.publish_text("synedge/n/n/event", "waited")
        with linked(port, 900) as (reader,):
            said = Recorder()
            reader.link.watch("synedge/n/#", lambda topic, payload: said.add((topic, payload)))
            link.start()
            said.wait(
                lambda texts: ("synedge/n/n/event", b"waited") in texts, "what was said before there was a broker"
            )
    finally:
        link.stop()
        hosted.stop()
    assert states.items() == [True]


def test_without_any_engine_it_says_so_and_goes_on(monkeypatch):
    from edge.shell import broker_child

    monkeypatch.setattr(broker_child.shutil, "which", lambda *args, **kwargs: None)
    options = SiteOptions(
        site=secrets.token_hex(8),
        index=1,
        node="n",
        node_id="11" * 32,
        keep_all=True,
        discover=False,
        engine="mosquitto",
    )
    link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
    link.start()
    deadline = time.monotonic() + DEADLINE_S
    while link.status()["reason"] != "no broker could be hosted on 127.0.0.1 (mosquitto: not installed)":
        assert time.monotonic() < deadline, link.status()
        time.sleep(0.02)
    link.stop()


def test_start_and_stop_return_whatever_the_network_does():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = SiteOptions(
            site=secrets.token_hex(8),
            index=1,
            node="n",
            node_id="11" * 32,
            keep_all=True,
            urls=(f"mqtt://127.0.0.1:{silent.getsockname()[1]}",),
            discover=False,
        )
        link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
        link.start()
        assert link.status()["connected"] is False
        silent.accept()[0].close()
        link.stop()
        assert not link._thread.is_alive()


@pytest.mark.parametrize("url", ["broker", "mqtt://a:b@host"])
def test_options_that_make_no_sense_are_refused(url):
    options = SiteOptions(site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True, urls=(url,))
    with pytest.raises(ValueError, match=r"mqtt://|password"):
        SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
