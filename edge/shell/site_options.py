"""Who a node is at its site and how it may reach it, and what that means for each part that carries it out."""

from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from edge.shell.broker_config import BrokerOptions
from edge.shell.candidates import Target, parse_url
from edge.shell.choice import ChoiceOptions
from edge.shell.mdns import AdvertOptions
from edge.shell.mqtt import MqttOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """[mqtt] and [broker] of the configuration, and our place in the roster."""

    site: str
    """Site id, 16 hex digits."""
    index: int
    """Our index in the roster."""
    node: str
    node_id: str
    """Node id in hex, 16 digits or more."""
    keep_all: bool
    rank: int = 0
    """Our position among the members that may host."""
    urls: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    keepalive_s: int = 3
    discover: bool = True
    interfaces: tuple[str, ...] = ()
    host: Literal["auto", "always", "never"] = "auto"
    listen: str = "127.0.0.1"
    port: int = 0
    engine: Literal["auto", "mosquitto", "iotcore"] = "auto"

    def broker(self) -> BrokerOptions:
        return BrokerOptions(
            listen=self.listen,
            port=self.port,
            engine=self.engine,
            username=self.username,
            password=self.password,
        )

    def adverts(self) -> AdvertOptions:
        return AdvertOptions(site=self.site, node_id=self.node_id, interfaces=self.interfaces)

    def choice(self) -> ChoiceOptions:
        urls = tuple(parse_url(url, number) for number, url in enumerate(self.urls))
        return ChoiceOptions(name=self.node_id[:16], rank=self.rank, urls=urls, host=self.host, listen=self.listen)

    def mqtt(self, target: Target) -> MqttOptions:
        return MqttOptions(
            host=target.host,
            port=target.port,
            # One for each broker: two addresses of one cluster must not take the session from each other.
            client_id=f"synedge-{self.site[:8]}-{self.node}-{crc32(target.key.encode()):08x}",
            site=self.site,
            index=self.index,
            node=self.node,
            keep_all=self.keep_all,
            username=target.username or self.username,
            password=self.password,
            tls=target.tls,
            ca_file=self.ca_file,
            certfile=self.certificate_file,
            keyfile=self.key_file,
            keepalive_s=self.keepalive_s,
        )
