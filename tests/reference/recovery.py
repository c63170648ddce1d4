"""Recovery by docs/WIRE.md §7: lists of keys, cuts, and what was signed."""

import hashlib
from typing import Any

from tests.reference.cbor import decode, encode, require
from tests.reference.signatures import sig_structure, verify
from tests.reference.vertex import INDEX_MAX, NUMBER_MAX, is_array, is_bytes, is_int, is_name


def check_word(committee: dict[str, Any], before: list[dict[str, Any]], lists: list[dict[str, Any]]) -> None:
    """Who begins without the ones before has somebody's word for it; `lists` were in force when it began."""
    cut = committee["cut"]
    require(not (committee["anew"] and lists), "anew, though there are keys")
    if cut is not None:
        lost = [one for one in before if (one["scope"], one["since"]) == (committee["scope"], cut["ends"])]
        require(len(lost) == 1 and lost[0]["since"] < committee["since"], "what it ends")
        require({head[0] for head in cut["heads"]} <= set(lost[0]["indices"]), "whose heads")
        require(bool(lists), "nobody may recover")
        check_signers(cut["proof"], lists[-1])


def check_signers(proof: list[Any], keys: dict[str, Any]) -> None:
    signers = [hashlib.sha256(public_key).digest() for public_key, _ in proof]
    require(len(signers) == keys["needed"] and signers == sorted(set(signers)), "how many signed")
    require(set(signers) <= set(keys["digests"]), "who signed")


def decode_proof(value: Any) -> list[Any]:
    require(is_array(value, 0, 16) and all(is_array(pair, 2, 2) for pair in value), "proof")
    require(all(is_bytes(key, 2592) and is_bytes(signature, 4627) for key, signature in value), "proof")
    return [tuple(pair) for pair in value]


def decode_lists(value: Any, version: int) -> list[dict[str, Any]]:
    require(is_array(value, 1, 8) and all(is_array(keys, 4, 4) for keys in value), "recovery")
    lists: list[dict[str, Any]] = []
    for since, needed, digests, proof in value:
        require(is_int(since, lists[-1]["since"] + 1 if lists else 1, version), "since")
        require(is_array(digests, 1, 16) and all(is_bytes(digest, 32) for digest in digests), "digests")
        require(digests == sorted(set(digests)) and is_int(needed, 1, len(digests)), "k of m")
        pairs = decode_proof(proof)
        if lists:
            check_signers(pairs, lists[-1])
        require(bool(lists) or not pairs, "who signs the first")
        lists.append({"since": since, "needed": needed, "digests": digests, "proof": pairs})
    return lists


def decode_cut(value: Any) -> dict[str, Any]:
    require(is_array(value, 3, 3), "cut")
    ends, heads, proof = value
    require(is_int(ends, 1, INDEX_MAX), "cut")
    return {"ends": ends, "heads": decode_heads(heads), "proof": decode_proof(proof)}


def decode_heads(value: Any) -> list[Any]:
    require(is_array(value, 0, 31), "heads")
    for head in value:
        require(is_array(head, 4, 4) and is_int(head[0], 0, INDEX_MAX) and is_int(head[1], 1, INDEX_MAX), "head")
        require(is_int(head[2], 1, NUMBER_MAX) and is_bytes(head[3], 32), "head")
    authors = [head[0] for head in value]
    require(authors == sorted(set(authors)), "order of heads")
    return [tuple(head) for head in value]


def decode_statement(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 16384, "size")
    fields = decode(raw, 3)
    require(type(fields) is list and len(fields) in (5, 8), "statement")
    kind, site = fields[:2]
    require(is_int(kind, 1, 2) and is_bytes(site, 8), "statement")
    if len(fields) == 5:
        since, needed, digests = fields[2:]
        require(kind == 2 and is_int(since, 1, INDEX_MAX), "statement of keys")
        (keys,) = decode_lists([[since, needed, digests, []]], INDEX_MAX)
        return {"site": site, "since": since, "needed": needed, "digests": keys["digests"]}
    scope, liars, since, indices, ends, heads = fields[2:]
    require(kind == 1 and is_name(scope) and is_int(liars, 0, INDEX_MAX) and is_int(since, 1, INDEX_MAX), "statement")
    require(is_array(indices, 1, 31) and all(is_int(index, 0, INDEX_MAX) for index in indices), "indices")
    require(indices == sorted(set(indices)) and is_int(ends, 1, INDEX_MAX), "indices")
    found = decode_heads(heads)
    said = {"site": site, "scope": scope, "liars": liars, "since": since}
    return {**said, "indices": indices, "ends": ends, "heads": found}


def decode_signature(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 16384, "size")
    fields = decode(raw, 3)
    require(is_array(fields, 4, 4) and is_int(fields[0], 1, 1) and is_bytes(fields[1], 32), "signature")
    ((public_key, signature),) = decode_proof([fields[2:]])
    return {"statement": fields[1], "public_key": public_key, "signature": signature}


def check_signatures(roster: dict[str, Any]) -> None:
    """Every signature of a recovery key that a decoded roster has."""
    site = roster["site"]
    found = [([2, site, one["since"], one["needed"], one["digests"]], one["proof"]) for one in roster["recovery"]]
    for one in (*roster["committees"], *roster["ended"]):
        if one["cut"] is not None:
            heads = [list(head) for head in one["cut"]["heads"]]
            said = [1, site, one["scope"], one["liars"], one["since"], one["indices"], one["cut"]["ends"], heads]
            found.append((said, one["cut"]["proof"]))
    for said, proof in found:
        message = sig_structure(3, b"synedge/1/recovery", encode(said))
        require(all(verify(3, key, message, signature) for key, signature in proof), "signature of a recovery key")
