"""Vectors of shared state: what operations make, what a cut comes to, and the frames that hand it over."""

from collections.abc import Iterable

from edge.ids import Parent
from edge.wire import hlc
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Count, Item, Put, Remove, Tag
from edge.wire.stateparts import StateReply, StateRequest, encode_state_reply, encode_state_request
from edge.wire.vertex import Header, encode_header
from tests.conformance.headers import SITE, WALL_MS, Vectors, edited, file, seed
from tests.reference import sealed as slow_sealed
from tests.reference import state as slow_state
from tests.reference.vertex import decode_header


def state_files() -> dict[str, Vectors]:
    request = encode_state_request(StateRequest(SITE, 3, 77, 12, 61_440))
    reply = encode_state_reply(StateReply(SITE, 0, 77, 12, seed("state"), 100, 60, bytes(40)))
    nothing = encode_state_reply(StateReply(SITE, 0, 77, 12, seed("state"), 0, 0, b""))
    return {
        "frames-state-request": file(
            "state-request",
            {"the second part": {"bytes": request.hex()}, "the first": {"bytes": edited(request, 3, [12, 0]).hex()}},
            {
                "of no checkpoint": (edited(request, 3, [0, 0]), "state-shape"),
                "without an offset": (edited(request, 3, [12]), "state-shape"),
                "a site of seven bytes": (edited(request, 0, SITE[:7]), "state-shape"),
            },
        ),
        "frames-state-reply": file(
            "state-reply",
            {"the last part": {"bytes": reply.hex()}, "it is not known here": {"bytes": nothing.hex()}},
            {
                "beyond the end": (edited(reply, 5, 99), "state-shape"),
                "nothing of something": (edited(reply, 7, b""), "state-shape"),
                "more than may be": (edited(reply, 5, 16 * 1024 * 1024 + 1), "state-shape"),
                "a part too large": (edited(edited(reply, 5, 70_000), 7, bytes(61_441)), "state-shape"),
                "a root of 31 bytes": (edited(reply, 4, seed("state")[1:]), "state-shape"),
                "of no checkpoint": (edited(reply, 3, 0), "state-shape"),
            },
        ),
    }


def state_file() -> Vectors:
    """A few vertices, the leaves that they make together and the root over these."""
    made: dict[str, Header] = {}

    def vertex(
        name: str, line: tuple[int, int, int], prev: str | None, *items: Item, parents: Iterable[str] = ()
    ) -> None:
        author, incarnation, seq = line
        made[name] = encode_header(
            suite=2, site=SITE, epoch=1, author=author, incarnation=incarnation, seq=seq,
            prev=made[prev].id if prev else None, parents=[Parent(*made[one].key, made[one].id) for one in parents],
            hlc=hlc.pack(WALL_MS, len(made)), body=None, items=items,
        )  # fmt: skip

    on_duty = "on duty"
    vertex("first", (0, 1, 1), None, Put(ADD, on_duty, b"pump-7"), Put(ADD, on_duty, b"boiler"), Count("doors", 5))
    vertex("lost tail", (0, 1, 2), "first", Put(ADD, on_duty, b"lost"), Put(REGISTER, "Schwelle °C", b"20"))
    vertex("next life", (0, 2, 2), "first", Remove(on_duty, (Tag(0, 1, 1, 1), Tag(0, 1, 2, 0))), Count("doors", -133))
    vertex(
        "other", (3, 1, 1), None, Put(REGISTER, "Schwelle °C", b"21.5"), Put(APPEND, "notes", b""), parents=["first"]
    )
    gone = Remove(on_duty, (Tag(0, 1, 1, 0),))
    vertex("takes back", (3, 1, 2), "other", gone, Put(GROW, "seen", b"x"), parents=["lost tail"])
    vertex(
        "again", (0, 2, 3), "next life", Put(ADD, on_duty, b"pump-7"), Put(GROW, "seen", b"a"), Put(GROW, "seen", b"x")
    )
    headers = [decode_header(header.raw) for header in made.values()]
    return {
        "headers": [{"name": name, "bytes": header.raw.hex()} for name, header in made.items()],
        "leaves": [leaf.hex() for leaf in slow_state.leaves(headers)],
        "root": slow_state.root(headers).hex(),
        "cuts": [
            {
                "ends": [list(end) for end in ends],
                "parts": [part.hex() for part in slow_sealed.parts(headers, cut).values()],
                "root": slow_sealed.root(headers, cut).hex(),
            }
            for ends in (((0, 1, 1),), ((0, 1, 2), (3, 1, 1)), ((0, 2, 3),), ((0, 2, 3), (3, 1, 2)))
            for cut in [{end[:2]: end[2] for end in ends}]
        ],
    }
