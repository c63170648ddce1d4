from typing import Any

ENCODE_DEPTH_MAX: int

class Malformed(ValueError):  # noqa: N818
    reason: str
    def __init__(self, reason: str) -> None: ...

def encode(value: object) -> bytes: ...
def decode(data: bytes, *, depth_max: int = 8, maps: bool = False) -> Any: ...
