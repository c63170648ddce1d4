"""Without a gateway, by real processes: who has no seat drops what the committee has sealed, and nothing is lost."""

from pathlib import Path

from edge.wire.voters import SITE_SCOPE
from tests.integration.agents import at, broker, field, until
from tests.integration.test_agent_trim import ROOM, nearly_fill_log

VOTERS = ("one", "two", "three", "four")
SEAL_S_MAX = 60.0


def test_a_leaf_drops_what_is_sealed_and_a_newcomer_has_it_from_the_members(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, *VOTERS, "leaf", "late", validators=VOTERS) as site:
        site.site.appoint(SITE_SCOPE, VOTERS, 1, now_ms=site.site.roster.issued_ms + 1)
        site.hand_out()
        leaf, late = site["leaf"], site["late"]
        for node in site:
            node.configure(at(port), sensor=node is leaf)
            config = node.directory / "synedge.toml"
            text = config.read_text().replace("[node]\n", "[node]\ncheckpoint_s = 5\n")
            config.write_text(text.replace("[log]\n", f"[log]\n{ROOM}") if node is leaf else text)
        for name in (*VOTERS, "leaf"):
            site[name].up()
        for number in range(20):
            leaf.feed(number)
            leaf.records_event(number + 1)
        leaf.waits_for(lambda status: status["sealed_seq"] >= 20, "sealed", SEAL_S_MAX)

        assert leaf.down() == 0
        nearly_fill_log(leaf)
        leaf.up()
        fed = 20
        while not leaf.counts()["dropped_sealed"]:
            leaf.feed(fed)
            fed += 1
            leaf.records_event(fed - 20)
        leaf.says("info", "log-trimmed")
        site.agree(*VOTERS, "leaf")
        mine = site["one"].values(site.index("leaf"))
        assert mine == list(range(fed)), "who has a seat has all of it"
        assert leaf.values(site.index("leaf")) == mine[-len(leaf.values(site.index("leaf"))) :] != mine

        assert leaf.down() == 0
        late.up()
        site.agree(*VOTERS, "late")
        until(lambda: late.values(site.index("leaf")) == mine, "the members give what the leaf dropped", late)
