"""`synedge recovery`: keys are listed, a draft is made from what is left, signed one by one, and put together."""

import shlex
from pathlib import Path

import pytest

from edge.cli.heads import find
from edge.dag.records import VERTEX, Record
from edge.limits import RECOVERY_FILE_BYTES_MAX, RECOVERY_LISTS_MAX
from edge.shell.keys import load_seed
from edge.wire.cbor import encode
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.recovery import decode_endorsement, decode_statement, digest_of
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, open_roster
from edge.wire.suite import public_from_seed
from tests.house.source import ROOT
from tests.unit.cli.conftest import Ended, Synedge, replace_log
from tests.unit.cli.recording import record

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def voters(tmp_path: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of six who may, a to d vote."""
    monkeypatch.chdir(tmp_path)
    synedge("fleet", "init", "--suite", "ml-dsa-44")
    for name in NAMES:
        synedge("fleet", "add", name, "--role", "device", "--role", "validator", "--out", f"cards/{name}")
    synedge("fleet", "committee", "site", "--members", "a,b,c,d")
    return tmp_path / "fleet"


@pytest.fixture
def site(voters: Path, synedge: Synedge) -> Path:
    """The holders of three keys may recover, two of them together."""
    for holder in "xyz":
        assert synedge("recovery", "key", holder).code == 0
    assert listing(synedge, "xyz").code == 0
    return voters


def listing(synedge: Synedge, holders: str, *more: object) -> Ended:
    files = [f"{holder}/recovery.pub" for holder in holders]
    return synedge("recovery", "keys", *files, "--needed", 2, "--json", *more)


def roster(site: Path) -> Roster:
    opened = open_roster((site / "roster.cose").read_bytes(), (site / "authority.pub").read_bytes())
    assert isinstance(opened, Roster)
    return opened


def draft(synedge: Synedge, *logs: str, members: str = "c,d,e,f", out: str = "site.draft") -> Ended:
    data = [word for log in logs for word in ("--data", log)]
    return synedge("recovery", "draft", "site", "--members", members, *data, "--out", out, "--json")


def sign(synedge: Synedge, holder: str, name: str = "site.draft") -> Ended:
    return synedge("recovery", "sign", name, "--key", holder, "--json")


@pytest.fixture
def logs(site: Path) -> dict[str, list[Record]]:
    """What a to d have recorded, each with most of what the others said."""
    return record(Path("cards"), NAMES[:4], roster(site))


def test_a_key_is_made_once_and_its_public_half_beside_it(tmp_path: Path, synedge: Synedge) -> None:
    made = synedge("recovery", "key", tmp_path / "x", "--json").json
    public = public_from_seed(3, load_seed(tmp_path / "x/recovery.seed"))
    assert made["changed"] and made["digest"] == digest_of(public).hex()
    assert (tmp_path / "x/recovery.pub").read_bytes() == public
    again = synedge("recovery", "key", tmp_path / "x", "--json").json
    assert again == {**made, "changed": False}


def test_the_first_list_is_the_authoritys_word_and_the_same_again_is_nothing_new(site: Path, synedge: Synedge) -> None:
    (keys,) = roster(site).recovery
    assert keys.needed == 2 and keys.proof == () and keys.since == roster(site).version
    assert list(keys.digests) == sorted(digest_of(Path(f"{one}/recovery.pub").read_bytes()) for one in "xyz")
    before = (site / "roster.cose").read_bytes()
    assert listing(synedge, "zyx").json["changed"] is False and (site / "roster.cose").read_bytes() == before
    shown = synedge("recovery", "list", "--json").json
    assert shown["recovery"][0]["needed"] == 2 and shown["recovery"][0]["in_force"] and shown["recovered"] == []
    by_file = synedge("recovery", "list", "--roster", site / "roster.cose")
    assert "2 of 3 keys may recover" in by_file.out


def test_another_list_needs_those_of_before(site: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = listing(synedge, "xy")
    assert refused.code == 64 and "2 of them have to sign" in refused.error["message"]
    said = listing(synedge, "xy", "--draft", "keys.draft").json
    assert said["changed"] and not listing(synedge, "xy", "--draft", "keys.draft").json["changed"]
    one, two = (sign(synedge, holder, "keys.draft").json["signature"] for holder in "xz")
    few = synedge("recovery", "apply", "keys.draft", one, "--json")
    assert few.code == 78 and "1 of the 2 signatures" in few.error["message"]
    assert len(roster(site).recovery) == 1
    done = synedge("recovery", "apply", "keys.draft", one, two, "--json").json
    assert done["changed"] and len(roster(site).recovery) == 2 and len(roster(site).recovery[1].proof) == 2
    assert not synedge("recovery", "apply", "keys.draft", one, two, "--json").json["changed"]
    monkeypatch.setattr("edge.cli.site.RECOVERY_LISTS_MAX", 2)
    listing(synedge, "yz", "--draft", "more.draft")
    words = [sign(synedge, holder, "more.draft").json["signature"] for holder in "xy"]
    full = synedge("recovery", "apply", "more.draft", *words, "--json")
    assert full.code == 78 and "at most 2 lists" in full.error["message"] and RECOVERY_LISTS_MAX > 2


@pytest.mark.usefixtures("logs")
def test_a_committee_is_replaced_by_two_of_three_holders(site: Path, synedge: Synedge) -> None:
    said = draft(synedge, "cards/c", "cards/d").json
    assert (said["chains"], said["whole"], said["enough"]) == (4, 2, 3) and not said["keeps_what_is_certified"]
    assert said["voters"] == ["c", "d", "e", "f"] and said["ends"] == 8 and said["since"] == 10
    assert [line["node"] for line in said["lines"] if line["is_own"]] == ["c", "d"]
    assert not draft(synedge, "cards/c", "cards/d").json["changed"], "the same is nothing new"
    signed = [sign(synedge, holder).json for holder in "xyz"]
    assert all(one["changed"] and one["statement"] == said["statement"] for one in signed)
    before = Path(signed[0]["signature"]).read_bytes()
    assert not sign(synedge, "x").json["changed"] and Path(signed[0]["signature"]).read_bytes() == before
    done = synedge("recovery", "apply", "site.draft", *(one["signature"] for one in signed), "--json").json
    assert done["changed"] and done["roster_version"] == 10
    voters = roster(site).committee("site")
    assert voters is not None and voters.cut is not None and voters.indices == (3, 4, 5, 6)
    assert len(voters.cut.proof) == 2 and len(voters.cut.heads) == 4 and voters.cut.ends == 8
    assert not synedge("recovery", "apply", "site.draft", signed[0]["signature"], "--json").json["changed"]
    assert "put in the place of epoch 8" in synedge("recovery", "list").out


@pytest.mark.usefixtures("logs")
def test_it_says_what_the_chains_are_worth(synedge: Synedge) -> None:
    def promise(*logs: str) -> str:
        words = [word for log in logs for word in ("--data", f"cards/{log}")]
        return synedge("recovery", "draft", "site", "--members", "c,d,e,f", *words, "--out", "one.draft").out

    assert "nothing that was certified is changed\n" in promise("b", "c", "d")
    assert "is changed if the copies have all" in promise("c", "d")
    Path("cards/a/data/log").rename("cards/a/data/gone")
    assert "nothing is left" not in promise("d"), "d has a copy of each"


@pytest.mark.usefixtures("logs")
def test_what_does_not_fit_is_refused_with_a_reason(site: Path, synedge: Synedge) -> None:
    draft(synedge, "cards/c")
    draft(synedge, "cards/c", members="d,e,f", out="other.draft")
    good = [sign(synedge, holder).json["signature"] for holder in "xy"]
    synedge("recovery", "key", "stranger")
    strange = sign(synedge, "stranger").json["signature"]
    other = sign(synedge, "z", "other.draft").json["signature"]
    Path("junk.sig").write_bytes(b"junk")
    spoilt = bytearray(Path(good[1]).read_bytes())
    spoilt[-1] ^= 1
    Path("spoilt.sig").write_bytes(spoilt)
    Path("large.sig").write_bytes(bytes(RECOVERY_FILE_BYTES_MAX + 1))
    for path, code, why in (
        (strange, 65, "not listed"),
        (other, 65, "another draft"),
        ("junk.sig", 65, "no signature"),
        ("spoilt.sig", 65, "or was changed"),
        ("large.sig", 65, "larger than"),
        (good[0], 78, "1 of the 2 signatures"),
        ("none.sig", 64, "none.sig"),
    ):
        ended = synedge("recovery", "apply", "site.draft", good[0], path, "--json")
        assert ended.code == code and why in ended.error["message"], path
    assert roster(site).version == 9
    synedge("fleet", "committee", "cell-a", "--members", "e")
    late = synedge("recovery", "apply", "site.draft", *good, "--json")
    assert late.code == 78 and "made and signed again" in late.error["message"]
    anew = synedge("fleet", "committee", "site", "--members", "e", "--settled", "--json")
    assert anew.code == 78 and "recovery draft" in anew.error["message"]


@pytest.mark.usefixtures("logs")
def test_a_draft_that_nobody_could_sign_is_not_made(site: Path, synedge: Synedge) -> None:
    for words, code, why in (
        (("cell-9", "c,d"), 78, "nobody has ever voted in cell-9"),
        (("site", "c,c"), 64, "one vote"),
        (("site", "c,g"), 78, "g: is no member"),
    ):
        ended = synedge(
            "recovery", "draft", words[0], "--members", words[1], "--data", "cards/c", "--out", "x", "--json"
        )
        assert ended.code == code and why in ended.error["message"]
    assert synedge("init", "elsewhere", "--name", "c", "--new-site").code == 0
    (Path("elsewhere") / "data/log").mkdir(parents=True, exist_ok=True)
    ended = draft(synedge, "cards/c", "elsewhere")
    assert ended.code == 65 and "a log of site" in ended.error["message"]
    late = Path("fleet/roster.cose").read_bytes()
    synedge("fleet", "committee", "cell-a", "--members", "e")
    synedge("fleet", "refresh", "cards/d")
    (site / "roster.cose").write_bytes(late)
    ended = draft(synedge, "cards/d")
    assert ended.code == 78 and "it is an old copy" in ended.error["message"]
    ended = synedge("recovery", "draft", "site", "--members", "c", "--liars", "1", "--data", "cards/c", "--out", "x")
    assert ended.code == 64 and "who lie" in ended.err


def test_a_line_ends_at_its_newest_signature_and_one_with_a_hole_or_a_fork_is_not_taken(
    site: Path, logs: dict[str, list[Record]]
) -> None:
    found = find(["cards/c", "cards/b"], (1, 2, 3, 4))
    assert {author: (one.head.seq, one.is_own) for author, one in found.lines.items()} == {
        1: (1, False), 2: (2, True), 3: (2, True), 4: (1, False),
    }  # fmt: skip
    last = decode_vertex(logs["c"][1].payload)
    assert isinstance(last, VertexFrame)
    unsigned = Record(VERTEX, encode_vertex(last.header, None, None))
    replace_log([*logs["a"][1:], *logs["b"], logs["c"][0], unsigned], Path("cards/c"))
    found = find(["cards/c"], (1, 2, 3, 4))
    assert {author: one.head.seq for author, one in found.lines.items()} == {2: 2, 3: 1}, "a lacks its first vertex"
    other = record(Path("cards"), ["b"], roster(site), salt=1)
    replace_log([*logs["b"], *logs["c"]], Path("cards/c"))
    found = find(["cards/b", "cards/c"], (1, 2, 3, 4))
    assert found.forked == (2,) and set(found.lines) == {3} and other["b"] != logs["b"]


def test_the_page_for_operators_can_be_followed(voters: Path, synedge: Synedge) -> None:
    """Every command of it, as it stands there."""
    page = (ROOT / "docs/OPERATING.md").read_text()
    section = page.partition("### When a committee is lost\n")[2].partition("\n##")[0]
    lines = [line for line in section.splitlines() if line.startswith("synedge ")]
    assert len(lines) >= 8
    for line in lines:
        if " draft " in line:
            record(Path("cards"), NAMES[:4], roster(voters))
        done = synedge(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"
    recovered = roster(Path("fleet")).committee("site")
    assert recovered is not None and recovered.cut is not None and recovered.indices == (3, 4, 5, 6)
    assert Path("cards/f/roster.cose").read_bytes() == (voters / "roster.cose").read_bytes()


def test_files_of_holders_are_read_strictly() -> None:
    for raw in (
        b"",
        encode([1, bytes(8)]),
        encode([3, bytes(8), 1, 1, [bytes(32)]]),
        bytes(RECOVERY_FILE_BYTES_MAX + 1),
    ):
        assert decode_statement(raw) == Refusal("recovery-shape", "statement")
    for raw in (b"", encode([1, bytes(32), bytes(2592)]), encode([True, bytes(32), bytes(2592), bytes(4627)])):
        assert decode_endorsement(raw) == Refusal("recovery-shape", "signature")
