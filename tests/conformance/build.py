"""The golden vectors: what stands in vectors/*.json, built again from fixed seeds and the slow encoder."""

import json
from pathlib import Path

from edge.consensus.checkpoint import Checkpoint, Head, encode_checkpoint
from edge.ids import VertexKey
from edge.wire import blob, merkle
from edge.wire.cbor import decode
from edge.wire.event import encode_event
from edge.wire.finals import (
    FinalsReply,
    FinalsRequest,
    SealedLeaf,
    SealedRow,
    Unsealed,
    encode_finals_reply,
    encode_finals_request,
    mark_of,
    tag_of,
)
from edge.wire.frame import (
    FrontierEntry,
    FrontierFrame,
    Range,
    ReplyFrame,
    RequestFrame,
    Want,
    encode_frontier,
    encode_reply,
    encode_request,
    encode_vertex,
)
from edge.wire.suite import (
    PURPOSE_BLOB,
    PURPOSE_VERTEX,
    SUITES,
    Signer,
    join_sign1,
    sig_structure,
    sign1,
)
from tests.conformance.agreement import eviction_file, evidence_file, stopped_file
from tests.conformance.headers import (
    EVENTS,
    SITE,
    Vectors,
    bodies,
    edited,
    file,
    header_file,
    headers,
    hexed,
    seed,
)
from tests.conformance.rosters import recovery_files, roster_file
from tests.conformance.sharing import state_file, state_files
from tests.reference import cbor as slow
from tests.reference import checkpoint as slow_checkpoint

FOLDER = Path(__file__).parent / "vectors"


def event_file() -> Vectors:
    raw = encode_event(EVENTS["classification"])
    double = raw.replace(bytes.fromhex("f93a80"), bytes.fromhex("fa3f500000"), 1)
    refused = {
        "an upper-case name": (edited(raw, 0, "Bearing"), "event-name"),
        "no kind": (edited(raw, 1, ""), "event-text"),
        "a control character": (edited(raw, 1, "a\u0085"), "event-text"),
        "no values": (edited(raw, 3, []), "event-values"),
        "an integer value": (edited(raw, 3, [1]), "event-shape"),
        "confidence above 1": (edited(raw, 5, 1.5), "event-confidence"),
        "confidence 1 as an integer": (edited(raw, 5, 1), "event-shape"),
        "a digest of 31 bytes": (edited(raw, 6, seed("model")[:31]), "event-shape"),
        "flag 2": (edited(raw, 8, 4), "event-flags"),
        "a float longer than needed": (double, "cbor-not-minimal"),
        "a NaN": (raw.replace(bytes.fromhex("f93a80"), bytes.fromhex("f97e00"), 1), "cbor-not-finite"),
        "bad UTF-8": (raw.replace(b"worn", b"wo\xc3n", 1), "cbor-text"),
        "more than 16 kB": (raw + bytes(16384), "event-too-large"),
    }
    return file("event", {name: {"bytes": encode_event(one).hex()} for name, one in EVENTS.items()}, refused)


def body_file() -> Vectors:
    accepted = {}
    for name, (body, ref, salts) in bodies().items():
        leaves = decode(body)
        accepted[name] = {
            "bytes": body.hex(),
            "salts": salts.hex(),
            "root": ref.root.hex(),
            "leaf_hashes": [merkle.leaf_hash(leaf).hex() for leaf in leaves],
            "proof_of_last": [node.hex() for node in merkle.proof(leaves, len(leaves) - 1)],
        }
    leaf = bytes(16) + encode_event(EVENTS["smallest"])
    refused = {
        "no leaf": (slow.encode([]), "body-count"),
        "65 leaves": (slow.encode([leaf] * 65), "body-count"),
        "a leaf that is only salt": (slow.encode([leaf[:16]]), "body-shape"),
        "a leaf that is text": (slow.encode([leaf, "event"]), "body-shape"),
        "an event with a byte too many": (slow.encode([leaf + b"\x00"]), "cbor-trailing"),
        "an event of eight fields": (slow.encode([bytes(16) + slow.encode([0] * 8)]), "event-shape"),
    }
    return file("body", accepted, refused)


def frame_files() -> dict[str, Vectors]:
    header, body = headers()["every field"].raw, bodies()["all events"][0]
    entries = (FrontierEntry(0, 2, 2, 0xABCD), FrontierEntry(3, 1, 9, 0), FrontierEntry(3, 2, 1, 65535))
    wants = (Want(3, 0, 0, 0), Want(7, 2, 41, 60))
    marks = mark_of([(tag_of("site", "model"), 3)]) + mark_of([])
    final = encode_frontier(FrontierFrame(SITE, 1, 0, entries, False, marks))
    vertex = encode_vertex(header, b"\x05" * 3309, body)
    frontier = encode_frontier(FrontierFrame(SITE, 1, 0, entries))
    request = encode_request(RequestFrame(SITE, 0, 77, 65536, wants))
    reply = encode_reply(ReplyFrame(SITE, 3, 77, True, (Range((header, header), (body, None), b"\x05" * 3309),)))
    return {
        "vertex-frame": file(
            "vertex-frame",
            {"whole": {"bytes": vertex.hex()}, "header alone": {"bytes": encode_vertex(header, None, None).hex()}},
            {
                "a signature that is text": (edited(vertex, 1, "s"), "frame-shape"),
                "an empty signature": (edited(vertex, 1, b""), "signature-size"),
                "two fields": (slow.encode([header, None]), "frame-shape"),
            },
        ),
        "frontier": file(
            "frontier",
            {
                "three branches": {"bytes": frontier.hex()},
                "nothing held": {"bytes": encode_frontier(FrontierFrame(SITE, 1, 0, ())).hex()},
                "of who keeps its own line": {"bytes": edited(frontier, 3, 1).hex()},
                "of who holds one register": {"bytes": final.hex()},
                "a fork": {"bytes": slow.encode([SITE, 1, 0, 0, [3, 1, 9, 1, 0, 1, 9, 2]]).hex()},
            },
            {
                "not in fours": (edited(frontier, 4, [1, 1, 1]), "frontier-shape"),
                "one entry twice": (edited(frontier, 4, [1, 1, 1, 1, 0, 1, 1, 1]), "frontier-order"),
                "incarnation 0": (edited(frontier, 4, [1, 0, 1, 1]), "frontier-shape"),
                "five branches": (
                    edited(frontier, 4, [1, 1, 1, 1] + [x for i in (2, 3, 4, 5) for x in (0, i, 1, 1)]),
                    "too-many-branches",
                ),
                "a flag without a meaning": (edited(frontier, 3, 2), "frontier-shape"),
                "an empty statement": (slow.encode([*decode(frontier), b""]), "frontier-shape"),
                "a statement of three marks": (slow.encode([*decode(frontier), bytes(48)]), "frontier-shape"),
            },
        ),
        "request": file(
            "request",
            {"two wants": {"bytes": request.hex()}},
            {"through is not above after": (edited(request, 4, [[3, 0, 5, 5]]), "request-range")},
        ),
        "reply": file(
            "reply",
            {"one range of two": {"bytes": reply.hex()}},
            {
                "fewer bodies than headers": (edited(reply, 4, [[[header], [], b"s"]]), "reply-shape"),
                "no signature": (edited(reply, 4, [[[header], [None], None]]), "reply-shape"),
                "is_last as an integer": (edited(reply, 3, 1), "reply-shape"),
            },
        ),
    }


def finals_files() -> dict[str, Vectors]:
    held = tuple(sorted((tag_of("site", key), version) for key, version in (("model", 3), ("config/night", 1))))
    request = encode_finals_request(FinalsRequest(SITE, 3, 77, 2, (0, 1), held))
    reply = encode_finals_reply(FinalsReply(SITE, 0, 77, (b"one certificate", b"another")))
    flat = [field for pair in held for field in pair]
    rows = (SealedRow(1, "config/night", 1, None, b"on"), SealedRow(7, "model", 3, seed("before"), b"3c0f"))
    leaf = SealedLeaf(tag_of("site", "lease/door"), 12, seed("door"))
    unsealed = encode_finals_reply(FinalsReply(SITE, 0, 77, (b"of the checkpoint",), Unsealed("site", rows, (leaf,))))
    row = list(rows[0])
    return {
        "frames-finals-request": file(
            "finals-request",
            {
                "two registers in two parts": {"bytes": request.hex()},
                "nothing held": {"bytes": edited(edited(edited(request, 3, 1), 4, [0]), 5, []).hex()},
            },
            {
                "three parts": (edited(request, 3, 3), "finals-shape"),
                "32 parts": (edited(request, 3, 32), "finals-shape"),
                "no part asked for": (edited(request, 4, []), "finals-shape"),
                "a part past the last": (edited(request, 4, [2]), "finals-shape"),
                "a part twice": (edited(request, 4, [1, 1]), "finals-shape"),
                "tags out of order": (edited(request, 5, flat[2:] + flat[:2]), "finals-shape"),
                "a tag twice": (edited(request, 5, flat[:2] + flat[:2]), "finals-shape"),
                "a tag alone": (edited(request, 5, flat[:3]), "finals-shape"),
                "a tag of seven bytes": (edited(request, 5, [flat[0][:7], 1]), "finals-shape"),
                "version 0": (edited(request, 5, [flat[0], 0]), "finals-shape"),
            },
        ),
        "frames-finals-reply": file(
            "finals-reply",
            {
                "two certificates": {"bytes": reply.hex()},
                "nothing is newer": {"bytes": edited(reply, 3, []).hex()},
                "what a checkpoint vouches for": {"bytes": unsealed.hex()},
            },
            {
                "a certificate that is no bytes": (edited(reply, 3, ["one"]), "finals-shape"),
                "1,025 certificates": (edited(reply, 3, [b""] * 1025), "finals-many"),
                "a key twice": (edited(unsealed, 5, [row, row]), "finals-shape"),
                "a first version with a predecessor": (
                    edited(unsealed, 5, [[1, "k", 1, seed("k"), b""]]),
                    "finals-shape",
                ),
                "a leaf without its final": (edited(unsealed, 6, [flat[0], 3]), "finals-shape"),
                "a leaf of version 0": (edited(unsealed, 6, [flat[0], 0, seed("k")]), "finals-shape"),
                "a scope with a slash": (edited(unsealed, 4, "a/b"), "finals-shape"),
            },
        ),
    }


def checkpoint_file() -> Vectors:
    """The root is over what `registers` of the vector says, by the slow twin."""
    finals = {key: (version, seed(key)) for key, version in (("model", 3), ("config/night", 1), ("lease/door", 12))}
    root = slow_checkpoint.root_of(SITE, "site", finals)
    heads = tuple(Head(author, 2, 40 + author, seed(f"head {author}")[:16]) for author in (0, 1, 3))
    sealed = tuple(sorted((tag_of("site", key), version) for key, (version, _) in finals.items()))
    whole = encode_checkpoint(Checkpoint(0, heads, sealed, root, 7))
    lines = (VertexKey(0, 2, 39), VertexKey(4, 1, 7), VertexKey(4, 3, 12))
    moved = encode_checkpoint(Checkpoint(0, heads, sealed, root, 7, lines, seed("state")))
    ends = [field for line in lines for field in line]
    flat = [field for pair in sealed for field in pair]
    head, empty = list(heads[0]), slow_checkpoint.root_of(SITE, "site", {})
    many = [field for number in range(120) for field in (number.to_bytes(8, "big"), 1)]
    registers = {key: [version, final.hex()] for key, (version, final) in finals.items()}
    return file(
        "checkpoint",
        {
            "all registers": {"bytes": whole.hex(), "site": SITE.hex(), "scope": "site", "registers": registers},
            "one more than the last": {"bytes": edited(edited(whole, 1, 6), 3, flat[:2]).hex()},
            "nothing is final": {"bytes": edited(edited(whole, 3, []), 4, empty).hex()},
            "shared state moves on": {"bytes": moved.hex()},
            "shared state stays": {"bytes": edited(moved, 6, []).hex()},
        },
        {
            "form 1": (edited(whole, 0, 1), "proposal-checkpoint"),
            "lines without a root of state": (edited(moved, 7, None), "proposal-checkpoint"),
            "a root of state of 16 bytes": (edited(moved, 7, bytes(16)), "proposal-checkpoint"),
            "a line without its seq": (edited(moved, 6, ends[:-1]), "proposal-checkpoint"),
            "a line up to seq 0": (edited(moved, 6, [0, 2, 0]), "proposal-checkpoint"),
            "one line twice": (edited(moved, 6, [0, 2, 39, 0, 2, 40]), "proposal-checkpoint"),
            "lines out of order": (edited(moved, 6, ends[3:] + ends[:3]), "proposal-checkpoint"),
            "no heads": (edited(whole, 2, []), "proposal-checkpoint"),
            "one member twice": (edited(whole, 2, [head, head]), "proposal-checkpoint"),
            "incarnation 0": (edited(whole, 2, [[0, 0, *head[2:]]]), "proposal-checkpoint"),
            "a prefix of 32 bytes": (edited(whole, 2, [[*head[:3], seed("head 0")]]), "proposal-checkpoint"),
            "tags out of order": (edited(whole, 3, flat[2:] + flat[:2]), "proposal-checkpoint"),
            "a tag alone": (edited(whole, 3, flat[:3]), "proposal-checkpoint"),
            "version 0": (edited(whole, 3, [flat[0], 0]), "proposal-checkpoint"),
            "a root of 31 bytes": (edited(whole, 4, root[:31]), "proposal-checkpoint"),
            "more than a value has room for": (edited(whole, 3, many), "proposal-checkpoint"),
        },
    )


def blob_files() -> dict[str, Vectors]:
    signer = Signer(1, seed("pump-7"))
    pattern = bytes(number % 251 for number in range(150_000))
    manifest = blob.manifest_of(SITE, 3, (pattern[at : at + 61_440] for at in range(0, 150_000, 61_440)))
    payload = blob.encode_manifest(manifest)
    request = blob.encode_blob_request(blob.BlobRequest(SITE, 0, 77, manifest.digest, (0, 2)))
    part = blob.encode_blob_part(blob.BlobPart(SITE, 3, 77, 2, pattern[122_880:122_900]))
    manifests = file(
        "manifest",
        {"three chunks": {"bytes": payload.hex()}},
        {
            "a hash too few": (edited(payload, 5, manifest.hashes[32:]), "manifest-chunks"),
            "nothing": (edited(edited(payload, 3, 0), 5, b""), "manifest-shape"),
            "larger than allowed": (edited(payload, 3, 67_108_865), "manifest-shape"),
            "another format": (edited(payload, 0, 2), "manifest-shape"),
        },
    )
    manifests["blob"] = "150000 bytes, byte i is i mod 251"
    manifests["public_key"] = signer.public_key.hex()
    manifests["signed"] = sign1(signer, PURPOSE_BLOB, payload, deterministic=True).hex()
    frames = file(
        "blob-frame",
        {
            "a request for two chunks": {"bytes": request.hex()},
            "a request for the manifest": {"bytes": edited(request, 5, []).hex()},
            "a chunk": {"bytes": part.hex()},
            "not here": {"bytes": edited(part, 5, None).hex()},
            "no such blob": {"bytes": edited(edited(part, 4, None), 5, None).hex()},
        },
        {
            "chunks out of order": (edited(request, 5, [2, 0]), "blob-shape"),
            "a chunk twice": (edited(request, 5, [2, 2]), "blob-shape"),
            "17 chunks": (edited(request, 5, list(range(17))), "too-many-chunks"),
            "a chunk past the largest blob": (edited(request, 5, [1093]), "blob-shape"),
            "a third kind": (edited(part, 0, 3), "blob-shape"),
            "a kind that is true": (edited(request, 0, True), "blob-shape"),
        },
    )
    return {"manifests": manifests, "frames-blob": frames}


def signature_file() -> Vectors:
    """Deterministic signatures (FIPS 204 §3.4) over a header of each suite; hedged ones verify the same."""
    vectors = []
    for number, one in SUITES.items():
        signer = Signer(number, seed(one.name))
        header = headers()["every field"].raw
        header = edited(header, 0, 0x0100 | number)
        message = sig_structure(number, PURPOSE_VERTEX, header)
        signature = signer.sign(message, deterministic=True)
        vectors.append(
            {
                "suite": number,
                "alg": one.alg,
                "seed": seed(one.name).hex(),
                "public_key": signer.public_key.hex(),
                "header": header.hex(),
                "sig_structure": message.hex(),
                "signature": signature.hex(),
                "cose_sign1": join_sign1(number, header, signature).hex(),
            }
        )
    return {"purpose": PURPOSE_VERTEX.decode(), "signatures": vectors}


def build() -> dict[str, str]:
    """File name: text."""

    from tests.fuzz.targets import TARGETS

    files = {"headers": header_file(), "events": event_file(), "bodies": body_file(), "roster": roster_file()}
    files["evidence"], files["evictions"], files["stopped"] = evidence_file(), eviction_file(), stopped_file()
    files["checkpoints"] = checkpoint_file()
    files |= blob_files() | finals_files() | state_files() | recovery_files()
    files |= {f"frames-{name}": vectors for name, vectors in frame_files().items()}
    for vectors in files.values():
        for vector in vectors["accepted"]:
            vector["value"] = hexed(TARGETS[vectors["structure"]].slow(bytes.fromhex(vector["bytes"])))
    files["signatures"] = signature_file()
    files["state"] = state_file()
    return {f"{name}.json": json.dumps(vectors, indent=1, ensure_ascii=False) + "\n" for name, vectors in files.items()}
