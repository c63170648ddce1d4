"""The golden vectors hold for the product and for the slow decoder, and are what the code writes today."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge.ids import VertexKey
from edge.state.above import Above
from edge.state.crdt import State
from edge.state.root import Roots, content_of
from edge.state.sealed import Sealed
from edge.wire import merkle
from edge.wire.blob import open_manifest
from edge.wire.cbor import decode, encode
from edge.wire.refusal import Refusal
from edge.wire.roster import node_id, open_roster, site_id
from edge.wire.suite import PURPOSE_BLOB, PURPOSE_VERTEX, Signer, join_sign1, open_sign1, sig_structure, verify
from edge.wire.vertex import Header, decode_header
from tests.conformance.build import FOLDER
from tests.conformance.headers import AUTHORITY, hexed
from tests.conformance.regenerate import differences, main
from tests.fuzz.targets import TARGETS
from tests.reference import signatures as slow
from tests.reference.blobs import manifest as slow_manifest
from tests.reference.cbor import Refused

FILES: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
STRUCTURES = {name: vectors for name, vectors in FILES.items() if "structure" in vectors}


def named(part: str) -> list[Any]:
    return [
        pytest.param(vectors["structure"], vector, id=f"{name}: {vector['name']}")
        for name, vectors in STRUCTURES.items()
        for vector in vectors[part]
    ]


def test_the_vectors_are_what_the_code_writes_today() -> None:
    assert differences() == []


def test_every_structure_has_vectors() -> None:
    assert {vectors["structure"] for vectors in STRUCTURES.values()} == set(TARGETS)


@pytest.mark.parametrize(("structure", "vector"), named("accepted"))
def test_accepted(structure: str, vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["bytes"])
    answer = TARGETS[structure].fast(raw)
    assert not isinstance(answer, Refusal)
    assert answer.again == raw
    assert json.loads(json.dumps(hexed(answer.values))) == vector["value"]
    assert json.loads(json.dumps(hexed(TARGETS[structure].slow(raw)))) == vector["value"]


@pytest.mark.parametrize(("structure", "vector"), named("refused"))
def test_refused(structure: str, vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["bytes"])
    answer = TARGETS[structure].fast(raw)
    assert isinstance(answer, Refusal)
    assert answer.reason == vector["reason"]
    with pytest.raises(Refused):
        TARGETS[structure].slow(raw)


@pytest.mark.parametrize("vector", FILES["bodies"]["accepted"], ids=lambda vector: vector["name"])
def test_roots_and_proofs(vector: dict[str, Any]) -> None:
    leaves = decode(bytes.fromhex(vector["bytes"]))
    root = bytes.fromhex(vector["root"])
    path = [bytes.fromhex(node) for node in vector["proof_of_last"]]
    assert merkle.root(leaves) == root
    assert [merkle.leaf_hash(leaf).hex() for leaf in leaves] == vector["leaf_hashes"]
    assert merkle.verify_proof(root, len(leaves), len(leaves) - 1, leaves[-1], path)


@pytest.mark.parametrize("vector", FILES["signatures"]["signatures"], ids=lambda vector: str(vector["suite"]))
def test_signatures(vector: dict[str, Any]) -> None:
    number, header = vector["suite"], bytes.fromhex(vector["header"])
    key, message, signature = (bytes.fromhex(vector[name]) for name in ("public_key", "sig_structure", "signature"))
    signer = Signer(number, bytes.fromhex(vector["seed"]))
    assert signer.public_key == key
    assert signer.sign(message, deterministic=True) == signature
    assert (
        sig_structure(number, PURPOSE_VERTEX, header) == message == slow.sig_structure(number, PURPOSE_VERTEX, header)
    )
    assert verify(number, key, message, signature)
    assert slow.verify(number, key, message, signature)
    sign1 = bytes.fromhex(vector["cose_sign1"])
    assert join_sign1(number, header, signature) == sign1
    assert open_sign1(sign1, PURPOSE_VERTEX, key, (number,)) == header
    assert slow.open_sign1(sign1, PURPOSE_VERTEX, number, key) == header
    assert not isinstance(decode_header(header), Refusal)


def test_shared_state() -> None:
    vectors = FILES["state"]
    decoded = [decode_header(bytes.fromhex(vector["bytes"])) for vector in vectors["headers"]]
    headers = [header for header in decoded if isinstance(header, Header)]
    assert len(headers) == len(decoded) > 0
    lives = {header.id: header.incarnation for header in headers}
    state = State()
    for header in headers:
        state.apply(header, lives[header.prev] if header.prev else 0)
    assert Roots(state).root().hex() == vectors["root"]
    leaves = [encode([*name, content_of(state, name)]).hex() for name in state.names()]
    assert leaves == vectors["leaves"]
    first = {header.key[:2]: header for header in reversed(headers)}

    def origin(name: tuple[int, int]) -> tuple[int, int]:
        return first[name].seq, lives[prev] if (prev := first[name].prev) else 0

    for cut in vectors["cuts"]:
        above, sealed = Above(), Sealed()
        for header in headers:
            above.add(header)
        step = sealed.ahead([VertexKey(*end) for end in cut["ends"]], above, origin)
        assert step is not None and step.root.hex() == cut["root"]
        assert [part.hex() for part in step.parts.values()] == cut["parts"]


def test_the_signed_roster() -> None:
    vectors = FILES["roster"]
    key = bytes.fromhex(vectors["authority_public_key"])
    roster = open_roster(bytes.fromhex(vectors["signed"]), key)
    assert not isinstance(roster, Refusal)
    assert roster.site.hex() == vectors["site"] == site_id(key).hex() == slow.site_id(key).hex()
    assert [node_id(member.public_key).hex() for member in roster.members] == vectors["node_ids"]
    payload = slow.open_sign1(bytes.fromhex(vectors["signed"]), b"synedge/1/roster", 3, key)
    assert payload.hex() == vectors["accepted"][0]["bytes"]


def test_the_signed_manifest() -> None:
    vectors = FILES["manifests"]
    signed, key = bytes.fromhex(vectors["signed"]), bytes.fromhex(vectors["public_key"])
    blob = bytes(number % 251 for number in range(150_000))
    payload = slow_manifest(blob_site := site_id(AUTHORITY.public_key), 3, blob)
    assert payload.hex() == vectors["accepted"][0]["bytes"]
    assert slow.open_sign1(signed, PURPOSE_BLOB, 1, key) == payload == open_sign1(signed, PURPOSE_BLOB, key, (1,))
    opened = open_manifest(signed)
    assert not isinstance(opened, Refusal)
    assert opened[0].site == blob_site and opened[0].has(2, blob[122_880:]) and not opened[0].has(1, blob[122_880:])


def test_regenerating_never_overwrites_unasked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.conformance.regenerate.FOLDER", tmp_path)
    (tmp_path / "events.json").write_text("{}\n")
    assert main([]) == 1
    assert "now/events.json" in capsys.readouterr().out
    assert (tmp_path / "events.json").read_text() == "{}\n"
    assert main(["--write"]) == 0
    assert main([]) == 0
    assert "as they were" in capsys.readouterr().out
