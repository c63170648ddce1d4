"""Home Assistant device discovery: one retained message says what a node is and which of its topics to read.

Form: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (2024.11 and later). For one unknown key
at its root Home Assistant drops the whole message, so keys are written out and the tests hold them to its schema.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge import __version__, limits

STATUS_TOPIC = "homeassistant/status"
"""Where Home Assistant says `online` when it has (re)started and wants to be told again."""
OPTIONS_BYTES_MAX = 4096
RESEND_FIRST_MS = 500
RESEND_SPREAD_MS = 4500
EXPIRE_RHYTHMS = 3
EXPIRE_S_MIN = 60

Component = dict[str, object]


class AgentCard(NamedTuple):
    """What people are told about an agent. Everything but the name is free text and only ever data."""

    name: str
    decide: str
    """`argmax`, `threshold`, `value` or `drift`."""
    labels: tuple[str, ...] = ()
    unit: str | None = None
    label: str = ""
    rhythm_ms: int | None = None
    """How often it reports at the least; None when it reports changes only."""


class NodeCard(NamedTuple):
    name: str
    label: str
    site_hex: str


def discovery_topic(node: NodeCard) -> str:
    return f"homeassistant/device/synedge-{node.site_hex}-{node.name}/config"


def resend_delay_ms(node: NodeCard) -> int:
    """Own to each node and always the same, so that a site does not answer a restarted Home Assistant all at once."""
    digest = hashlib.sha256(f"{node.site_hex}/{node.name}".encode()).digest()
    return RESEND_FIRST_MS + int.from_bytes(digest[:4], "big") % RESEND_SPREAD_MS


def platform_of(agent: AgentCard) -> str:
    return "binary_sensor" if agent.decide in ("threshold", "drift") else "sensor"


def removal(node: NodeCard, gone: Mapping[str, str]) -> str:
    """The message that takes agents back, by name with the platform each was shown as: a component that has nothing
    but its platform is removed. A message without them is to follow, and would not remove them by itself."""
    components: dict[str, Component] = {f"agent_{name}": {"platform": platform} for name, platform in gone.items()}
    return json.dumps(_message(node, {**_of_node(node), **components}), separators=(",", ":"))


def discovery(node: NodeCard, agents: Sequence[AgentCard]) -> tuple[str, int]:
    """The message, and how many agents it leaves out because it would grow past DISCOVERY_BYTES_MAX."""
    components = _of_node(node)
    size = _size(_message(node, components))
    shown = 0
    for agent in agents:
        component = _of_agent(node, agent)
        size += _size({f"agent_{agent.name}": component})
        if size > limits.DISCOVERY_BYTES_MAX:
            break
        components[f"agent_{agent.name}"] = component
        shown += 1
    return json.dumps(_message(node, components), separators=(",", ":")), len(agents) - shown


def _size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def _message(node: NodeCard, components: dict[str, Component]) -> dict[str, object]:
    return {
        "device": {
            "identifiers": [_unique(node)],
            "name": node.label or node.name,
            "manufacturer": "Synedge",
            "model": "Synedge edge agent",
            "sw_version": __version__,
        },
        "origin": {"name": "synedge", "sw_version": __version__},
        "availability": [{"topic": f"synedge/n/{node.name}/presence"}],
        "components": components,
    }


def _unique(node: NodeCard, *parts: str) -> str:
    """Names hold no underscore, so that no two nodes and agents run together into one id."""
    return "_".join(("synedge", node.site_hex, node.name, *parts))


def _of_node(node: NodeCard) -> dict[str, Component]:
    state = f"synedge/n/{node.name}/state"

    def diagnostic(platform: str, key: str, name: str, **more: object) -> Component:
        return {
            "platform": platform,
            "unique_id": _unique(node, key),
            "name": name,
            "entity_category": "diagnostic",
            "state_topic": state,
            **more,
        }

    return {
        "connection": diagnostic(
            "binary_sensor",
            "connection",
            "Connection",
            device_class="connectivity",
            state_topic=f"synedge/n/{node.name}/presence",
            payload_on="online",
            payload_off="offline",
            availability=[],  # its own: an offline node is `off` here, not unavailable
        ),
        "log": diagnostic(
            "sensor",
            "log",
            "Log used",
            value_template="{{ value_json.log_percent | default(None) }}",
            unit_of_measurement="%",
            state_class="measurement",
        ),
        "peers": diagnostic(
            "sensor",
            "peers",
            "Peers online",
            value_template="{{ value_json.peers_online | default(None) }}",
            state_class="measurement",
        ),
        "recorded": diagnostic(
            "sensor",
            "recorded",
            "Last recorded",
            value_template="{{ value_json.last_recorded | default(None) }}",
            device_class="timestamp",
        ),
        "disk": diagnostic(
            "binary_sensor",
            "disk",
            "Disk full",
            value_template="{{ 'ON' if value_json.disk_full | default(false) else 'OFF' }}",
            device_class="problem",
        ),
    }


def _of_agent(node: NodeCard, agent: AgentCard) -> Component:
    topic = f"synedge/n/{node.name}/agent/{agent.name}"
    component: Component = {
        "platform": platform_of(agent),
        "unique_id": _unique(node, "agent", agent.name),
        "name": agent.label or agent.name,
        "state_topic": topic,
        "json_attributes_topic": topic,
    }
    # An event `failed` has none of these: the state is then unknown, and not the last one or "no problem".
    if agent.decide == "argmax":
        component["value_template"] = "{{ value_json['class'] | default(None) }}"
        options = list(dict.fromkeys(agent.labels))
        if options and _size(options) <= OPTIONS_BYTES_MAX:
            component |= {"device_class": "enum", "options": options}
    elif agent.decide in ("threshold", "drift"):
        component |= {
            "device_class": "problem",
            "value_template": "{{ None if value_json.alarm is not defined else 'ON' if value_json.alarm else 'OFF' }}",
        }
    else:
        component |= {"value_template": "{{ value_json.value | default(None) }}", "state_class": "measurement"}
        if agent.unit:
            component["unit_of_measurement"] = agent.unit
    if agent.rhythm_ms is not None:
        component["expire_after"] = max(EXPIRE_S_MIN, -(-EXPIRE_RHYTHMS * agent.rhythm_ms // 1000))
    return component
