"""Valid encodings of every structure of docs/WIRE.md, from a seeded generator and the slow encoder alone."""

import string
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from tests.reference.cbor import encode
from tests.reference.frames import PUBLIC_BYTES
from tests.reference.vertex import vertex_id

Tree = Any
INDEX_EDGES = (1, 2, 23, 24, 255, 256, 65535, 65536, 2**32 - 1)
NUMBER_EDGES = (*INDEX_EDGES, 2**32, 2**53 - 1)
FLOAT_EDGES = (0.0, -0.0, 1.0, 0.5, -2.25, 65504.0, 65536.0, 2.0**-24, 2.0**-25, 6.1e-5, 0.1, 3.4e38, 1.7e308, 5e-324)


def index(rng: Random, low: int = 0) -> int:
    return rng.choice(INDEX_EDGES) if rng.random() < 0.2 else rng.randint(low, 300)


def number(rng: Random, low: int = 0) -> int:
    return rng.choice(NUMBER_EDGES) if rng.random() < 0.2 else rng.randint(low, 100_000)


def name(rng: Random) -> str:
    first = rng.choice(string.ascii_lowercase + string.digits)
    return first + "".join(rng.choices(string.ascii_lowercase + string.digits + "-", k=rng.choice((0, 3, 9, 31))))


def text(rng: Random, bytes_min: int, bytes_max: int = 64) -> str:
    alphabet = rng.choice((string.ascii_letters + " %/°", "°µ²", "日本語", "🜁🜂"))
    size = rng.choice((bytes_min, 1, 5, bytes_max))
    result = ""
    while True:
        longer = result + rng.choice(alphabet)
        if len(result.encode()) >= max(size, bytes_min) or len(longer.encode()) > bytes_max:
            return result if len(result.encode()) >= bytes_min else "x"
        result = longer


def real(rng: Random) -> float:
    roll = rng.random()
    if roll < 0.4:
        return rng.choice(FLOAT_EDGES)
    return rng.gauss(0, 10.0 ** rng.randint(-9, 9)) if roll < 0.7 else rng.randint(-2048, 2048) / 8


def maybe(rng: Random, make: Callable[[], Any]) -> Any:
    return make() if rng.random() < 0.6 else None


def event(rng: Random) -> Tree:
    values = [real(rng) if rng.random() < 0.7 else text(rng, 0) for _ in range(rng.choice((1, 1, 2, 3, 30, 64)))]
    return [
        name(rng),
        text(rng, 1),
        number(rng),
        values,
        maybe(rng, lambda: text(rng, 1)),
        maybe(rng, lambda: rng.choice((0.0, 1.0, 0.5, rng.random()))),
        maybe(rng, lambda: rng.randbytes(32)),
        maybe(rng, lambda: rng.randbytes(32)),
        rng.randint(0, 3),
    ]


def body(rng: Random) -> Tree:
    return [rng.randbytes(16) + encode(event(rng)) for _ in range(rng.choice((1, 1, 2, 3, 5)))]


def item(rng: Random) -> Tree:
    kind = rng.choice((1, 2, 5, 6, 7, 8))
    if kind == 8:
        return operation(rng)
    if kind == 2:
        value = maybe(rng, lambda: rng.randbytes(32))
        return [2, rng.randbytes(32), rng.randint(0, 255), rng.randint(0, 1), value]
    if kind == 7:
        version = rng.choice((1, number(rng, 1)))
        key = rng.choice(("model", "lease/door-1", "a.b/c", "x" * 64))
        before = None if version == 1 else rng.randbytes(32)
        return [
            7,
            rng.choice(("site", "cell-a")),
            index(rng, 1),
            key,
            version,
            before,
            rng.randbytes(rng.choice((0, 9, 1024))),
        ]
    if kind == 1:
        return [1, index(rng), index(rng, 1), number(rng, 1), rng.randbytes(32)]
    if kind == 5:
        parts = [rng.randint(0, 10**6) for _ in range(4)]
        return [5, sum(parts), *parts]
    return [6, rng.randint(0, 2), number(rng)]


def operation(rng: Random) -> Tree:
    kind, named = rng.randint(0, 5), text(rng, 1)
    if kind == 2:
        tags = {(index(rng), index(rng, 1), number(rng, 1), rng.randint(0, 63)) for _ in range(rng.choice((1, 2, 16)))}
        return [8, kind, named, *(part for tag in sorted(tags) for part in tag)]
    if kind == 4:
        return [8, kind, named, rng.choice((1, -1)) * number(rng, 1)]
    return [8, kind, named, rng.randbytes(rng.choice((0, 1, 9, 256)))]


def header(rng: Random) -> Tree:
    seq = rng.choice((1, number(rng, 1)))
    authors = sorted(rng.sample(range(300), rng.choice((0, 1, 2, 2, 3, 12, 31))))
    return [
        0x0100 | rng.randint(1, 3),
        rng.randbytes(8),
        index(rng),
        rng.choice((300, 2**32 - 1)),
        index(rng, 1),
        seq,
        None if seq == 1 else rng.randbytes(32),
        [[author, index(rng, 1), number(rng, 1), rng.randbytes(32)] for author in authors],
        rng.randbytes(8),
        maybe(rng, lambda: [rng.randbytes(32), rng.randint(0, 49152), rng.randint(1, 64), rng.randint(0, 2)]),
        maybe(rng, lambda: [number(rng, 1), rng.randbytes(16)]),
        [item(rng) for _ in range(rng.choice((0, 0, 1, 2, 5)))],
    ]


def part(rng: Random, size_max: int) -> bytes:
    return rng.randbytes(rng.choice((1, 23, 24, 200, min(300, size_max))))


def vertex_frame(rng: Random) -> Tree:
    return [encode(header(rng)), maybe(rng, lambda: part(rng, 4627)), maybe(rng, lambda: part(rng, 9999))]


def frontier(rng: Random) -> Tree:
    names = sorted({(rng.randint(0, 40), rng.randint(1, 3)) for _ in range(rng.choice((0, 1, 5, 30)))})
    flat, last = [], 0
    for author, incarnation in names:
        flat += [author - last, incarnation, number(rng, 1), rng.randint(0, 65535)]
        last = author
    finals = [rng.randbytes(16 * rng.choice((1, 2, 4, 8, 16)))] if rng.random() < 0.5 else []
    return [rng.randbytes(8), index(rng), index(rng), rng.choice((0, 0, 1)), flat, *finals]


def request(rng: Random) -> Tree:
    wants = []
    for _ in range(rng.choice((0, 1, 2, 9))):
        after = rng.randint(0, 500)
        wants.append([index(rng), index(rng), after, rng.choice((0, after + 1, after + 400))])
    return [rng.randbytes(8), index(rng), number(rng), number(rng), wants]


def reply(rng: Random) -> Tree:
    ranges = []
    for _ in range(rng.choice((0, 1, 2))):
        count = rng.choice((1, 2, 4))
        bodies = [maybe(rng, lambda: part(rng, 9999)) for _ in range(count)]
        ranges.append([[part(rng, 4096) for _ in range(count)], bodies, part(rng, 4627)])
    return [rng.randbytes(8), index(rng), number(rng), rng.random() < 0.5, ranges]


def finals_request(rng: Random) -> Tree:
    parts = rng.choice((1, 2, 4, 8, 16))
    asked = sorted(rng.sample(range(parts), rng.randint(1, parts)))
    tags = sorted({rng.randbytes(8) for _ in range(rng.choice((0, 1, 3, 70)))})
    held = [field for tag in tags for field in (tag, number(rng, 1))]
    return [rng.randbytes(8), index(rng), number(rng), parts, asked, held]


def finals_reply(rng: Random) -> Tree:
    reply = [rng.randbytes(8), index(rng), number(rng), [part(rng, 9999) for _ in range(rng.choice((0, 1, 3)))]]
    if rng.random() < 0.5:
        return reply
    keys, tags = ({name(rng) for _ in range(rng.choice((0, 1, 5)))} for _ in range(2))
    versions = {key: number(rng, 1) for key in keys}
    rows = [
        [index(rng, 1), key, version, None if version == 1 else rng.randbytes(32), part(rng, 1024)]
        for key, version in sorted(versions.items())
    ]
    leaves = [[tag, number(rng, 1), rng.randbytes(32)] for tag in sorted(rng.randbytes(8) for _ in tags)]
    return [*reply, name(rng), rows, [field for leaf in leaves for field in leaf]]


def state_request(rng: Random) -> Tree:
    return [rng.randbytes(8), index(rng), number(rng), [number(rng, 1), number(rng)]]


def state_reply(rng: Random) -> Tree:
    data = part(rng, 9999)
    offset = rng.choice((0, 24, 70_000)) if data else 0
    size = offset + len(data) + rng.choice((0, 0, 9999)) if data else 0
    return [rng.randbytes(8), index(rng), number(rng), number(rng, 1), rng.randbytes(32), size, offset, data]


def checkpoint(rng: Random) -> Tree:
    authors = sorted({index(rng) for _ in range(rng.choice((1, 3, 5, 9)))})
    heads = [[author, index(rng, 1), number(rng, 1), rng.randbytes(16)] for author in authors]
    tags = sorted({rng.randbytes(8) for _ in range(rng.choice((0, 1, 3, 20)))})
    sealed = [field for tag in tags for field in (tag, number(rng, 1))]
    names = sorted({(index(rng), index(rng, 1)) for _ in range(rng.choice((0, 0, 1, 3, 9)))})
    lines = [field for name in names for field in (*name, number(rng, 1))]
    state = rng.randbytes(32) if lines or rng.random() < 0.5 else None
    return [2, number(rng), heads, sealed, rng.randbytes(32), index(rng), lines, state]


def eviction(rng: Random) -> Tree:
    incarnations = sorted(rng.sample([1, 2, 23, 24, 58_000_000, 2**32 - 1], rng.randrange(5)))
    lines = [[incarnation, rng.choice([1, 24, 70_000, 2**53 - 1]), rng.randbytes(32)] for incarnation in incarnations]
    return [rng.choice([0, 23, 24, 2**32 - 1]), rng.choice([1, 2]), lines]


def stopped(rng: Random) -> Tree:
    """A stop, and a vote above it, with something else between."""
    change = [name(rng), index(rng, 1), "committee", 1, None]
    other = [*change[:2], rng.choice(("model", "a/b", "lease/door")), 2, rng.randbytes(32)]
    site = rng.randbytes(8)
    stop, also = (sha256(b"synedge/1/conflict\x00" + encode([site, *asked])).digest() for asked in (change, other))
    votes = [[2, stop, rng.randint(0, 255), 1, rng.randbytes(32)], [2, also, 0, rng.randint(0, 1), None]]
    aside = [[2, rng.randbytes(32), 0, 0, None], [2, also, 3, 1, rng.randbytes(32)]]
    items = [[*aside[: rng.randint(0, 2)], *votes[: rng.randint(1, 2)]]]
    items += [aside[:1] for _ in range(rng.choice((0, 0, 2)))]
    items.append(votes[1:])
    made: list[bytes] = []
    first = [rng.choice((300, 2**32 - 1)), index(rng, 1), max(2, number(rng))]
    for above, said in enumerate(items):
        one = header(rng)
        one[1], one[3:6], one[11] = site, [*first[:2], min(first[2], 2**53 - 9) + above], said
        one[6] = vertex_id(made[-1]) if made else rng.randbytes(32)
        made.append(encode(one))
    return [2, change, other, [made, part(rng, 4627)]]


def evidence(rng: Random) -> Tree:
    name = [rng.choice((300, 2**32 - 1)), index(rng, 1), rng.choice((1, min(number(rng, 2), 2**53 - 4)))]
    if rng.random() < 0.3:
        return two_lives(rng, name)
    sides = [[chain(rng, [name]), part(rng, 4627)] for _ in range(2)]
    return sorted(sides, key=lambda side: vertex_id(side[0][0]))


def two_lives(rng: Random, name: list[int]) -> Tree:
    """A vertex, and another life of its incarnation that begins above it."""
    author, incarnation, seq = name[0], max(2, name[1]), min(name[2], 2**53 - 9)
    begins = seq + rng.choice((1, 2, 4))
    base = [author, rng.choice((1, incarnation - 1)), begins - 1]
    late = chain(rng, [base, [author, incarnation, begins]])
    return [[chain(rng, [[author, incarnation, seq]]), part(rng, 4627)], [late, part(rng, 4627)]]


def chain(rng: Random, names: list[list[int]]) -> list[bytes]:
    """Headers of these names, one upon the other, and a few more above them."""
    made: list[bytes] = []
    for name in names:
        one = header(rng)
        one[3:6] = name
        one[6] = vertex_id(made[-1]) if made else None if name[2] == 1 else rng.randbytes(32)
        made.append(encode(one))
    for above in range(rng.choice((0, 0, 1, 3))):
        one = header(rng)
        one[3:7] = [name[0], index(rng, 1), name[2] + 1 + above, vertex_id(made[-1])]
        made.append(encode(one))
    return made


def roster(rng: Random) -> Tree:
    members = []
    validators = []
    for place in sorted(rng.sample(range(40), rng.choice((0, 1, 2, 5)))):
        suite = rng.randint(1, 3)
        roles = [role for role in ("device", "gateway", "validator") if rng.random() < 0.5] or ["device"]
        validators += [place] if "validator" in roles else []
        members.append([place, f"n{place}", text(rng, 0), suite, rng.randbytes(PUBLIC_BYTES[suite]), roles])
    version = index(rng, 1)
    committees = [
        [scope, rng.randint(0, (len(validators) - 1) // 3), rng.randint(1, version), validators]
        for scope in ("cell-a", "site")
        if validators and rng.random() < 0.5
    ]
    ended = [
        [scope, liars, rng.randint(1, since - 1), indices] for scope, liars, since, indices in committees if since > 1
    ]
    suites = rng.choice(([1], [2, 3], [1, 2, 3]))
    lists, signers = recovery(rng, version)
    committees = [replaced(rng, committee, ended, signers) for committee in committees]
    has_cut = any(len(committee) == 5 and committee[4] != 1 for committee in committees)
    ended = ended if has_cut or rng.random() < 0.5 else []
    more = [ended, lists] if lists else [ended] if ended else []
    return [2, rng.randbytes(8), version, number(rng), suites, members, committees, *more]


def recovery(rng: Random, version: int) -> tuple[list[Tree], dict[int, Tree]]:
    """Lists of keys that follow one another, often none; and whoever signs for each, by its `since`."""
    lists: list[Tree] = []
    signers: dict[int, Tree] = {}
    proof: Tree = []
    for since in sorted({rng.randint(1, version) for _ in range(rng.choice((0, 0, 1, 3)))}):
        keys = sorted((rng.randbytes(2592) for _ in range(rng.choice((1, 3)))), key=lambda key: sha256(key).digest())
        needed = rng.randint(1, len(keys))
        lists.append([since, needed, [sha256(key).digest() for key in keys], proof])
        proof = [[key, rng.randbytes(4627)] for key in keys[:needed]]
        signers[since] = proof
    return lists, signers


def replaced(rng: Random, committee: list[Tree], ended: list[list[Tree]], signers: dict[int, Tree]) -> list[Tree]:
    """Some begin anew, where nobody may recover; others with a cut, where somebody may."""
    proofs = [proof for since, proof in signers.items() if since < committee[2]]
    lost = [one for one in ended if one[0] == committee[0]]
    if rng.random() < 0.4 or not (lost or not proofs):
        return committee
    if not proofs:
        return [*committee, 1]
    voting = [author for author in lost[0][3] if rng.random() < 0.7]
    heads = [[author, index(rng, 1), number(rng, 1), rng.randbytes(32)] for author in voting]
    return [*committee, [lost[0][2], heads, proofs[-1]]]


def statement(rng: Random) -> Tree:
    if rng.random() < 0.4:
        digests = sorted(rng.randbytes(32) for _ in range(rng.choice((1, 3, 16))))
        return [2, rng.randbytes(8), index(rng, 1), rng.randint(1, len(digests)), digests]
    indices, authors = (sorted(rng.sample(range(300), rng.choice((1, 4, 31)))) for _ in range(2))
    heads = [[author, index(rng, 1), number(rng, 1), rng.randbytes(32)] for author in authors if rng.random() < 0.8]
    return [1, rng.randbytes(8), name(rng), index(rng), index(rng, 1), indices, index(rng, 1), heads]


def recovery_signature(rng: Random) -> Tree:
    return [1, rng.randbytes(32), rng.randbytes(2592), rng.randbytes(4627)]


def manifest(rng: Random) -> Tree:
    length = rng.choice((1, 61439, 61440, 61441, rng.randint(1, 300_000), rng.randint(1, 67_108_864)))
    return [1, rng.randbytes(8), rng.randbytes(32), length, index(rng), rng.randbytes(32 * -(-length // 61440))]


def blob_frame(rng: Random) -> Tree:
    kind = rng.choice((1, 2))
    head = [kind, rng.randbytes(8), index(rng), number(rng)]
    if kind == 1:
        return [*head, rng.randbytes(32), sorted(rng.sample(range(1093), rng.choice((0, 1, 4, 16))))]
    return [*head, maybe(rng, lambda: rng.randrange(1093)), maybe(rng, lambda: part(rng, 9999))]


TREES: dict[str, Callable[[Random], Tree]] = {
    "header": header,
    "event": event,
    "body": body,
    "vertex-frame": vertex_frame,
    "frontier": frontier,
    "request": request,
    "reply": reply,
    "finals-request": finals_request,
    "finals-reply": finals_reply,
    "state-request": state_request,
    "state-reply": state_reply,
    "checkpoint": checkpoint,
    "evidence": evidence,
    "eviction": eviction,
    "stopped-vote": stopped,
    "manifest": manifest,
    "blob-frame": blob_frame,
    "recovery-statement": statement,
    "recovery-signature": recovery_signature,
    "roster": roster,
}
