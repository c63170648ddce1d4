"""Frames and rosters by docs/WIRE.md §6 and §7. Values come back as dicts of plain Python."""

from typing import Any

from tests.reference import recovery
from tests.reference.cbor import decode, require
from tests.reference.vertex import (
    INDEX_MAX,
    NUMBER_MAX,
    decode_header,
    decode_item,
    is_array,
    is_bytes,
    is_clean,
    is_int,
    is_name,
)

PUBLIC_BYTES = {1: 1312, 2: 1952, 3: 2592}


def check_part(value: Any, low: int, high: int, what: str) -> None:
    require(type(value) is bytes and low <= len(value) <= high, what)


def decode_vertex(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 1)
    require(is_array(fields, 3, 3), "three fields")
    header, signature, body = fields
    check_part(header, 0, 4096, "header")
    if signature is not None:
        check_part(signature, 1, 4627, "signature")
    if body is not None:
        check_part(body, 0, 48 * 1024, "body")
    return {"header": header, "signature": signature, "body": body}


def decode_frontier(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 60 * 1024, "frontier too large")
    fields = decode(raw, 2)
    require(is_array(fields, 5, 6), "five fields, or six")
    site, epoch, sender, flags, flat, *finals = fields
    require(is_bytes(site, 8) and is_int(epoch, 0, INDEX_MAX) and is_int(sender, 0, INDEX_MAX), "frontier")
    require(is_int(flags, 0, 1), "flags")
    require(type(flat) is list and len(flat) % 4 == 0, "fours")
    entries = []
    author = 0
    for i in range(0, len(flat), 4):
        delta, incarnation, seq, tag = flat[i : i + 4]
        require(is_int(delta, 0, NUMBER_MAX), "delta")
        author += delta
        require(author <= INDEX_MAX and is_int(incarnation, 1, INDEX_MAX), "entry")
        require(is_int(seq, 1, NUMBER_MAX) and is_int(tag, 0, 65535), "entry")
        entries.append((author, incarnation, seq, tag))
    require(entries == sorted(set(entries)), "order")
    authors = [entry[0] for entry in entries]
    require(all(authors.count(author) <= 4 for author in set(authors)), "branches")
    require(all(type(marks) is bytes and len(marks) in (16, 32, 64, 128, 256) for marks in finals), "marks")
    head = {"site": site, "epoch": epoch, "sender": sender}
    return head | {"entries": entries, "keeps_own": flags == 1, "finals": b"".join(finals)}


def decode_request(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 3)
    require(is_array(fields, 5, 5), "five fields")
    site, sender, correlation, budget, wants = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX), "request")
    require(is_int(correlation, 0, NUMBER_MAX) and is_int(budget, 0, NUMBER_MAX), "request")
    require(is_array(wants, 0, 256), "wants")
    for want in wants:
        require(is_array(want, 4, 4), "want")
        author, incarnation, after, through = want
        require(is_int(author, 0, INDEX_MAX) and is_int(incarnation, 0, INDEX_MAX), "want")
        require(is_int(after, 0, NUMBER_MAX) and is_int(through, 0, NUMBER_MAX), "want")
        require(through == 0 or through > after, "through")
    return {
        "site": site,
        "sender": sender,
        "correlation": correlation,
        "budget_bytes": budget,
        "wants": [tuple(want) for want in wants],
    }


def decode_reply(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 4)
    require(is_array(fields, 5, 5), "five fields")
    site, sender, correlation, is_last, ranges = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "reply")
    require(type(is_last) is bool, "is_last")
    require(is_array(ranges, 0, 256), "ranges")
    for value in ranges:
        require(is_array(value, 3, 3), "range")
        headers, bodies, signature = value
        require(type(headers) is list and type(bodies) is list and len(headers) == len(bodies) >= 1, "range")
        for header, body in zip(headers, bodies, strict=True):
            check_part(header, 0, 4096, "header")
            if body is not None:
                check_part(body, 0, 48 * 1024, "body")
        check_part(signature, 1, 4627, "signature")
    return {"site": site, "sender": sender, "correlation": correlation, "is_last": is_last, "ranges": ranges}


def decode_finals_request(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 2)
    require(is_array(fields, 6, 6), "six fields")
    site, sender, correlation, parts, asked, flat = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "request")
    require(type(parts) is int and parts in (1, 2, 4, 8, 16), "parts")
    require(type(asked) is list and len(asked) > 0 and all(is_int(part, 0, parts - 1) for part in asked), "asked")
    require(asked == sorted(set(asked)), "order of parts")
    require(type(flat) is list and len(flat) % 2 == 0 and len(flat) <= 2 * 1024, "pairs")
    held = [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]
    require(all(is_bytes(tag, 8) and is_int(version, 1, NUMBER_MAX) for tag, version in held), "held")
    tags = [tag for tag, _ in held]
    require(tags == sorted(set(tags)), "order of tags")
    head = {"site": site, "sender": sender, "correlation": correlation}
    return head | {"parts": parts, "asked": asked, "held": held}


def decode_finals_reply(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 257 * 1024, "frame too large")
    fields = decode(raw, 3)
    require(is_array(fields, 4, 4) or is_array(fields, 7, 7), "four fields or seven")
    site, sender, correlation, certificates, *more = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "reply")
    require(is_array(certificates, 0, 1024), "certificates")
    for certificate in certificates:
        check_part(certificate, 0, 256 * 1024, "certificate")
    head = {"site": site, "sender": sender, "correlation": correlation, "certificates": certificates}
    return head | {"unsealed": decode_unsealed(*more) if more else None}


def decode_unsealed(scope: Any, values: Any, flat: Any) -> dict[str, Any]:
    require(is_name(scope) and type(values) is list and type(flat) is list and len(flat) % 3 == 0, "unsealed")
    leaves = [tuple(flat[at : at + 3]) for at in range(0, len(flat), 3)]
    require(len(values) + len(leaves) <= 1024, "how many")
    for row in values:
        require(is_array(row, 5, 5), "row")
        decode_item([7, scope, *row])
    keys = [row[1] for row in values]
    require(keys == sorted(set(keys)), "order of keys")
    for tag, version, final in leaves:
        require(is_bytes(tag, 8) and is_int(version, 1, NUMBER_MAX) and is_bytes(final, 32), "leaf")
    tags = [leaf[0] for leaf in leaves]
    require(tags == sorted(set(tags)), "order of tags")
    return {"scope": scope, "rows": [tuple(row) for row in values], "leaves": leaves}


def decode_evidence(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 60 * 1024, "evidence too large")
    fields = decode(raw, 3)
    require(is_array(fields, 2, 2), "two sides")
    chains = []
    for side in fields:
        require(is_array(side, 2, 2), "side")
        headers, signature = side
        require(type(headers) is list and len(headers) >= 1, "headers")
        check_part(signature, 1, 4627, "signature")
        last = None
        chains.append([])
        for header in headers:
            check_part(header, 0, 4096, "header")
            decoded = decode_header(header)
            if last is not None:
                require(decoded["prev"] == last["id"] and decoded["author"] == last["author"], "chain")
                require(decoded["seq"] == last["seq"] + 1, "chain")
            chains[-1].append(decoded)
            last = decoded
    low, high = chains[0][0], chains[1][0]
    if name_of(low) == name_of(high):
        require(low["id"] < high["id"], "two vertices of one name")
    else:
        require(len(chains[1]) >= 2, "what the later life goes on from, and its first vertex")
        base, high = chains[1][:2]
        require(base["incarnation"] < high["incarnation"], "a life begins")
        require(low["author"] == high["author"] and low["incarnation"] == high["incarnation"], "one incarnation")
        require(low["seq"] < high["seq"], "before it began")
    ids = (low["id"], high["id"])
    return {"names": (name_of(low), name_of(high)), "ids": ids, "sides": [tuple(side) for side in fields]}


def name_of(header: dict[str, Any]) -> tuple[int, ...]:
    return (header["author"], header["incarnation"], header["seq"])


def decode_roster(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 4 * 1024 * 1024 - 4096, "roster too large")
    fields = decode(raw, 6)
    require(is_array(fields, 7, 9), "seven to nine fields")
    form, site, version, issued_ms, suites, members, committees = fields[:7]
    require(is_int(form, 2, 2) and is_bytes(site, 8), "roster")
    require(is_int(version, 1, INDEX_MAX) and is_int(issued_ms, 0, NUMBER_MAX), "roster")
    require(type(suites) is list and len(suites) >= 1 and all(is_int(suite, 1, 3) for suite in suites), "suites")
    require(suites == sorted(set(suites)), "order of suites")
    require(is_array(members, 0, 4096), "members")
    decoded = [decode_member(member) for member in members]
    indices = [member["index"] for member in decoded]
    require(indices == sorted(set(indices)), "order of members")
    require(len({member["name"] for member in decoded}) == len(decoded), "names")
    require(len({member["public_key"] for member in decoded}) == len(decoded), "keys")
    require(is_array(committees, 0, 16), "committees")
    validators = {member["index"] for member in decoded if "validator" in member["roles"]}
    voting = [decode_committee(committee, version, validators) for committee in committees]
    scopes = [committee["scope"] for committee in voting]
    require(scopes == sorted(set(scopes)), "order of committees")
    least = 1 if len(fields) == 8 else 0
    before = decode_ended(fields[7], least, version, set(indices), voting) if len(fields) > 7 else []
    lists = recovery.decode_lists(fields[8], version) if len(fields) == 9 else []
    for committee in (*voting, *before):
        recovery.check_word(committee, before, [one for one in lists if one["since"] < committee["since"]])
    return {
        "site": site,
        "version": version,
        "issued_ms": issued_ms,
        "suites": suites,
        "members": decoded,
        "committees": voting,
        "ended": before,
        "recovery": lists,
    }


def decode_ended(
    value: Any, least: int, version: int, members: set[int], voting: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Those of earlier versions, who need not have the role any more."""
    require(is_array(value, least, 256), "ended")
    ended = [decode_committee(committee, version, members) for committee in value]
    names = [(committee["scope"], committee["since"]) for committee in ended]
    require(names == sorted(set(names)), "order of ended")
    stands = {committee["scope"]: committee["since"] for committee in voting}
    require(all(since < stands.get(scope, since + 1) for scope, since in names), "ended after one that stands")
    return ended


def decode_committee(value: Any, version: int, validators: set[int]) -> dict[str, Any]:
    require(is_array(value, 4, 5), "committee")
    scope, liars, since, indices = value[:4]
    how = value[4] if len(value) == 5 else None
    cut = recovery.decode_cut(how) if type(how) is list else None
    require(len(value) == 4 or cut is not None or is_int(how, 1, 1), "anew")
    require(is_name(scope) and is_int(liars, 0, 10) and is_int(since, 1, version), "committee")
    require(is_array(indices, 1, 31) and all(is_int(index, 0, INDEX_MAX) for index in indices), "indices")
    require(indices == sorted(set(indices)) and set(indices) <= validators, "who votes")
    require(len(indices) >= 3 * liars + 1, "who lies")
    anew = int(how is not None and cut is None)
    return {"scope": scope, "liars": liars, "since": since, "indices": indices, "anew": anew, "cut": cut}


def decode_member(value: Any) -> dict[str, Any]:
    require(is_array(value, 6, 6), "member")
    index, name, label, suite, public_key, roles = value
    require(is_int(index, 0, INDEX_MAX) and is_name(name) and is_clean(label, 0, 64), "member")
    require(is_int(suite, 1, 3) and is_bytes(public_key, PUBLIC_BYTES[suite]), "key")
    require(is_array(roles, 1, 3), "roles")
    require(roles == [role for role in ("device", "gateway", "validator") if role in roles], "roles")
    return {
        "index": index,
        "name": name,
        "label": label,
        "suite": suite,
        "public_key": public_key,
        "roles": roles,
    }


def decode_state_request(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 2)
    require(is_array(fields, 4, 4) and is_array(fields[3], 2, 2), "four fields")
    site, sender, correlation, (version, offset) = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "request")
    require(is_int(version, 1, NUMBER_MAX) and is_int(offset, 0, NUMBER_MAX), "what")
    return {"site": site, "sender": sender, "correlation": correlation, "version": version, "offset": offset}


def decode_state_reply(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 2)
    require(is_array(fields, 8, 8), "eight fields")
    site, sender, correlation, version, root, size, offset, data = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "reply")
    require(is_int(version, 1, NUMBER_MAX) and is_bytes(root, 32), "of what")
    require(is_int(size, 0, 16 * 1024 * 1024) and is_int(offset, 0, NUMBER_MAX), "size")
    check_part(data, 0, 60 * 1024, "data")
    if data:
        require(offset + len(data) <= size, "beyond the end")
    else:
        require(size == 0 and offset == 0, "nothing of something")
    head = {"site": site, "sender": sender, "correlation": correlation, "version": version}
    return head | {"root": root, "size": size, "offset": offset, "data": data}
