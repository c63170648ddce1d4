"""What the hosted brokers are told: Mosquitto's configuration and password file, rumqttd's TOML."""

import base64
import hashlib
import ipaddress
import json
from dataclasses import dataclass, field
from typing import Literal

from edge import limits

Engine = Literal["mosquitto", "iotcore"]

# A verifier that lives in memory next to the password itself gains nothing from more rounds, and each CONNECT pays for
# them in Mosquitto's one thread; 101 is what mosquitto_passwd writes.
_PBKDF2_ROUNDS = 101
_RUMQTTD_SEGMENT_BYTES = 4 * 1024 * 1024  # per filter and segment; 1 MB segments lost messages under load
_RUMQTTD_SEGMENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """How a node hosts a broker. Without a user name everyone who reaches `listen` may connect."""

    listen: str = "127.0.0.1"
    port: int = 0
    """0: the system chooses."""
    engine: Literal["auto", "mosquitto", "iotcore"] = "auto"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    start_timeout_s: float = 8.0

    def __post_init__(self) -> None:
        if self.username is not None and (not self.username or set(self.username) & set(":\r\n\0")):
            raise ValueError(f"a broker's user name is not empty and has no colon or line break, not {self.username!r}")

    @property
    def is_open(self) -> bool:
        return self.username is None

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.listen)

    @property
    def connect_host(self) -> str:
        """Where clients on this machine reach it."""
        return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.listen, self.listen)


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def mosquitto_config(options: BrokerOptions, port: int, password_file: str | None) -> str:
    """Nothing is persisted, everything is bounded, and `running` in the log is how we learn that it listens."""
    lines = [
        f"listener {port} {options.listen}",
        f"allow_anonymous {'true' if options.is_open else 'false'}",
        f"max_connections {limits.BROKER_CLIENTS_MAX}",
        "set_tcp_nodelay true",
        "persistence false",
        f"max_packet_size {limits.BROKER_PACKET_BYTES_MAX}",
        # Also bounds QoS 0 to a client whose socket is full (measured on 2.0.11).
        f"max_queued_messages {limits.BROKER_QUEUE_PACKETS_MAX}",
        f"max_queued_bytes {limits.OUTBOX_BYTES_MAX}",
        "max_inflight_messages 32",
        f"memory_limit {limits.BROKER_MEMORY_BYTES_MAX}",
        "sys_interval 0",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages false",
    ]
    if password_file is not None:
        lines.append(f"password_file {password_file}")
    return "\n".join(lines) + "\n"


def mosquitto_password(username: str, password: str, salt: bytes) -> str:
    """One line of a Mosquitto 2 password file (`$7$`, PBKDF2 with SHA-512)."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ROUNDS)
    fields = (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return f"{username}:$7${_PBKDF2_ROUNDS}${fields[0]}${fields[1]}\n"


def rumqttd_config(options: BrokerOptions, port: int) -> str:
    """rumqttd 0.20. Its default cuts at 20 kB. A JSON string is a TOML basic string."""
    host = f"[{options.listen}]" if ":" in options.listen else options.listen
    lines = [
        "id = 0",
        "[router]",
        "id = 0",
        f"max_connections = {limits.BROKER_CLIENTS_MAX}",
        f"max_outgoing_packet_count = {limits.BROKER_QUEUE_PACKETS_MAX}",
        f"max_segment_size = {_RUMQTTD_SEGMENT_BYTES}",
        f"max_segment_count = {_RUMQTTD_SEGMENTS}",
        "[v4.1]",
        'name = "synedge"',
        f"listen = {json.dumps(f'{host}:{port}')}",
        "next_connection_delay_ms = 1",
        "[v4.1.connections]",
        "connection_timeout_ms = 5000",
        f"max_payload_size = {limits.BROKER_PACKET_BYTES_MAX}",
        "max_inflight_count = 100",
        "dynamic_filters = true",
    ]
    if options.username is not None:
        lines += ["[v4.1.connections.auth]", f"{json.dumps(options.username)} = {json.dumps(options.password or '')}"]
    return "\n".join(lines) + "\n"
