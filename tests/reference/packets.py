"""The packets at the start of a stream of MQTT 3.1.1 (§2.2.3, §3.3), one rule at a time."""

Packet = tuple[bytes | None, bytes, bool]


def cut(stream: bytes, packet_bytes_max: int) -> tuple[list[Packet], int, int]:
    """As edge.shell._packets.cut."""
    found: list[Packet] = []
    at = 0
    while at < len(stream):
        digits = stream[at + 1 : at + 5]
        last = next((place for place, digit in enumerate(digits) if digit < 128), None)
        if last is None and len(digits) < 4:
            break
        if last is None:
            found.append((None, stream[at:], False))
            return found, len(stream), 0
        length = sum((digit % 128) * 128**place for place, digit in enumerate(digits[: last + 1]))
        body = at + 2 + last
        missing = body + length - len(stream)
        if missing > 0 and length > packet_bytes_max:
            return found, len(stream), missing
        if missing > 0:
            break
        found.append(published(stream[at], stream[body : body + length]) or (None, stream[at : body + length], False))
        at = body + length
    return found, at, 0


def published(first: int, body: bytes) -> Packet | None:
    """Topic, payload and whether it is retained; None for what is not a PUBLISH of QoS 0."""
    kind, qos, retained = first // 16, first // 2 % 4, first % 2
    topic_bytes = int.from_bytes(body[:2], "big")
    if kind != 3 or qos != 0 or len(body) < 2 + topic_bytes:
        return None
    return body[2 : 2 + topic_bytes], body[2 + topic_bytes :], retained == 1
