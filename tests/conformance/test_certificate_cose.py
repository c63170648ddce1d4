"""A certificate as COSE messages: verified by RFC 9052 and docs/WIRE.md alone, and as docs/OPERATING.md tells auditors.

What verifies here is cbor2 and the ML-DSA of `cryptography`; nothing of edge/ takes part.
"""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import cbor2
import pytest

from edge.cli.main import main
from edge.consensus.certificate import Certificate, decode_certificate
from edge.ids import VertexKey
from edge.wire.cbor import decode, encode
from edge.wire.suite import PURPOSE_VERTEX, SUITES, Signer, key_set, sig_structure, tagged_sign1
from edge.wire.vertex import Header, decode_header, encode_header
from tests.builders import AUTHORITY, World, signer
from tests.house.source import ROOT

pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa", reason="cryptography ≥ 47 is missing")

from cryptography.hazmat.primitives.asymmetric import mldsa

VOTERS = ("a", "b", "c", "d")
ALGORITHMS: dict[int, Any] = {-48: mldsa.MLDSA44PublicKey, -49: mldsa.MLDSA65PublicKey, -50: mldsa.MLDSA87PublicKey}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


class Told(NamedTuple):
    """What the command wrote into a directory, and its answer."""

    place: Path
    answer: Any

    @property
    def messages(self) -> list[bytes]:
        """One of the sequence each."""
        data = (self.place / "night.cose").read_bytes()
        stream, found = io.BytesIO(data), []
        while (begin := stream.tell()) < len(data):
            cbor2.load(stream)
            found.append(data[begin : stream.tell()])
        return found

    @property
    def keys(self) -> dict[bytes, Any]:
        return {key[2]: key for key in cbor2.loads((self.place / "night.keys").read_bytes())}


@pytest.fixture(scope="module")
def world() -> World:
    world = World(list(VOTERS), voting=VOTERS)
    world.boot_all()
    world.deliver()
    _, effects = world.machines["a"].node.propose("site", "config/night", b"on", world.now)
    world.machines["a"].do(effects)
    world.run(2)
    return world


def certified(world: World) -> bytes:
    final = world.machines["d"].node.voting.finals["site", "config/night"]
    return final.certificate


def raised(raw: bytes) -> bytes:
    """The same certificate, but the first vote is covered by a signature three vertices above it."""
    fields = decode(raw, depth_max=4)
    headers, _ = fields[5][0]
    for _ in range(3):
        below = decode_header(headers[-1])
        assert isinstance(below, Header)
        key = VertexKey(below.author, below.incarnation, below.seq + 1)
        above = encode_header(
            suite=below.suite, site=below.site, epoch=below.epoch, **key._asdict(), prev=below.id, parents=(),
            hlc=below.hlc + 1, body=None,
        )  # fmt: skip
        headers.append(above.raw)
    top = signer(VOTERS[below.author])
    fields[5][0][1] = top.sign(sig_structure(below.suite, PURPOSE_VERTEX, headers[-1]))
    return encode(fields)


def lay_down(world: World, raw: bytes, place: Path) -> list[str]:
    """The files of a site; the words of the command."""
    (place / "night.cert").write_bytes(raw)
    (place / "roster.cose").write_bytes(world.roster_bytes)
    (place / "authority.pub").write_bytes(AUTHORITY.public_key)
    files = {"--roster": "roster.cose", "--out": "night.cose", "--keys": "night.keys"}
    words = [word for option, name in files.items() for word in (option, str(place / name))]
    return ["certificate", "cose", str(place / "night.cert"), *words]


@pytest.fixture(params=["signed where it is", "signed above"])
def told(world: World, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Told:
    raw = certified(world)
    words = lay_down(world, raised(raw) if request.param == "signed above" else raw, tmp_path)
    assert main([*words, "--json"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "night.json").write_text(text)
    return Told(tmp_path, json.loads(text))


def is_good(raw: bytes, keys: dict[bytes, Any], aad: bytes = b"synedge/1/vertex") -> bool:
    """By RFC 9052 §4.4 and the key that it names."""
    try:
        tagged = cbor2.loads(raw)
        protected, unprotected, payload, signature = tagged.value
        key = keys[unprotected[4]]
        if tagged.tag != 18 or unprotected.keys() != {4} or cbor2.loads(protected) != {1: key[3]} or key[1] != 7:
            return False
        signed = cbor2.dumps(["Signature1", protected, aad, payload])
        ALGORITHMS[key[3]].from_public_bytes(key[-1]).verify(signature, signed)
    except Exception:
        return False
    return True


def test_every_message_is_good_by_the_key_that_it_names(told: Told) -> None:
    assert len(told.messages) == len(told.keys) == len(told.answer["messages"]) == 3
    assert all(is_good(message, told.keys) for message in told.messages)
    for row, message in zip(told.answer["messages"], told.messages, strict=True):
        key = told.keys[bytes.fromhex(row["kid"])]
        assert (key[3], key[-1].hex()) == (row["alg"], row["public_key"])
        assert cbor2.loads(message).value[2].hex() == row["headers"][-1]


def test_the_payloads_are_the_bytes_of_the_certificate(told: Told) -> None:
    certificate = decode_certificate((told.place / "night.cert").read_bytes())
    assert isinstance(certificate, Certificate)
    shown = [(side.headers[-1], side.signature) for side in certificate.votes]
    assert [tuple(cbor2.loads(message).value[2:]) for message in told.messages] == shown
    assert told.answer["is_true"] and told.answer["external_aad"] == "synedge/1/vertex"


def test_one_changed_bit_of_a_message_or_another_purpose_is_refused(told: Told) -> None:
    rng = Random(9052)
    for message in told.messages:
        assert not is_good(message, told.keys, b"synedge/1/roster")
        for bit in [*range(8 * 48), *rng.sample(range(8 * len(message)), 400)]:
            spoilt = bytearray(message)
            spoilt[bit // 8] ^= 1 << bit % 8
            assert not is_good(bytes(spoilt), told.keys), f"bit {bit}"


def test_an_outside_cose_library_verifies_each(told: Told) -> None:
    from tests.conformance.test_outside_cose import outside

    for message, row in zip(told.messages, told.answer["messages"], strict=True):
        alg, key = row["alg"], bytes.fromhex(row["public_key"])
        assert outside(message, alg, key, b"synedge/1/vertex")
        assert not outside(message, alg, key, b"synedge/1/roster")


@pytest.mark.parametrize("number", SUITES)
def test_each_suite_has_its_algorithm_and_key(number: int) -> None:
    key = Signer(number, b"\x2a" * 32)
    signature = key.sign(sig_structure(number, PURPOSE_VERTEX, b"a header"))
    raw = tagged_sign1(number, b"k", b"a header", signature)
    (told,) = cbor2.loads(key_set([(number, b"k", key.public_key)]))
    assert told == {1: 7, 2: b"k", 3: SUITES[number].alg, -1: key.public_key}
    assert is_good(raw, {b"k": told})


def audited(place: Path) -> "subprocess.CompletedProcess[str]":
    """The steps of docs/OPERATING.md, as they stand there, in a process that has none of our code."""
    (script,) = BLOCK.findall((ROOT / "docs/OPERATING.md").read_text())
    command = [sys.executable, "-I", "-c", f"import sys\nsys.modules['edge'] = None\n{script}"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)


def test_what_an_auditor_is_told_to_do_works(told: Told) -> None:
    done, voters = audited(told.place), [row["index"] for row in told.answer["messages"]]
    assert len(voters) == 3 and told.answer["voters"] == [VOTERS[index] for index in voters]
    assert done.stdout == f"config/night is 'on', signed by {voters}\n", done.stderr


def test_an_auditor_finds_what_is_not_so(told: Told) -> None:
    said = told.place / "night.json"
    whole = said.read_text()
    for name, other in (("value_hex", b"off".hex()), ("version", 2), ("ballot", 1), ("key", "config/day")):
        said.write_text(json.dumps({**told.answer, name: other}))
        assert audited(told.place).returncode == 1, name
    said.write_text(json.dumps({**told.answer, "messages": told.answer["messages"][:2]}))
    assert audited(told.place).returncode == 1, "two are no quorum"
    said.write_text(whole)
    (told.place / "authority.pub").write_bytes(Signer(3, b"\x2b" * 32).public_key)
    assert "InvalidSignature" in audited(told.place).stderr


def test_what_is_not_true_or_cannot_be_written_gives_no_messages(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = certified(world)
    words = lay_down(world, raw, tmp_path)
    for spoilt, said in (
        (b"not one", "no certificate: cbor-"),
        (raw[:-1], "no certificate: cbor-truncated"),
        (raw[:-1] + bytes([raw[-1] ^ 1]), "not true by"),
    ):
        (tmp_path / "night.cert").write_bytes(spoilt)
        assert main(words) == 65
        assert said in capsys.readouterr().err
        assert not (tmp_path / "night.cose").exists() and not (tmp_path / "night.keys").exists()
    (tmp_path / "night.cert").write_bytes(raw)
    for option in ("--out", "--keys"):
        nowhere = str(tmp_path / "nowhere" / "file")
        assert main([nowhere if words[at - 1] == option else word for at, word in enumerate(words)]) == 64
        assert f"{nowhere}: No such file" in capsys.readouterr().err
    assert main([word for word in words if word not in ("--keys", words[-1])]) == 0
    out = capsys.readouterr().out
    assert "night.cose: 3 COSE_Sign1 messages, external_aad synedge/1/vertex" in out and "night.keys" not in out
