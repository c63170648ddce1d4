"""A committee in the roster of whole agents: votes get their connection when it comes, and are taken from it."""

import time
from pathlib import Path

from edge.wire.voters import SITE_SCOPE
from tests.integration.agents import at, broker, field, until


def test_votes_get_a_connection_with_the_roster_that_names_a_committee(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one", "two", validators=("one",)) as site:
        one, two = site["one"], site["two"]
        for node in site:
            node.configure(at(port))
            node.up()
        one.feed(1)
        site.agree()
        assert [node.now()["mqtt"]["links"][0]["votes"] for node in site] == [None, None]
        assert all(node.counts()["vote_connections"] == 0 for node in site)
        one.down()
        site.site.appoint(SITE_SCOPE, ["one"], 0, now_ms=time.time_ns() // 1_000_000)
        (one.directory / "roster.cose").write_bytes(site.site.roster_file.read_bytes())
        one.up()
        for node in site:
            node.waits_for(
                lambda status: status["mqtt"]["links"] and status["mqtt"]["links"][0]["votes"] == "connected",
                "has heard of the roster and connected",
            )
        one.feed(2, 3)
        two.feed(4)
        site.agree()
        until(lambda: two.counts()["vote_frames_in"] >= 1, "who votes speaks on it", two)
        assert one.counts()["vote_frames_in"] == 0, "who does not vote does not"
        assert two.values(1) == [1, 2, 3]
