"""Home Assistant's rules for device discovery, written from its documentation and schemas (2024.11 and later).

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, /sensor.mqtt/ and /binary_sensor.mqtt/.
"""

import json
import re
from typing import Any

TOPIC = re.compile(r"homeassistant/device/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config")
ROOT = {"device", "origin", "components", "availability", "availability_mode", "state_topic", "qos", "encoding"}
DEVICE = {
    *("identifiers", "connections", "manufacturer", "model", "model_id", "name", "hw_version", "serial_number"),
    *("sw_version", "via_device", "suggested_area", "configuration_url"),
}
ORIGIN = {"name", "sw_version", "support_url"}
AVAILABILITY = {"topic", "payload_available", "payload_not_available", "value_template"}
ENTITY = {
    *("platform", "unique_id", "name", "entity_category", "state_topic", "json_attributes_topic"),
    *(
        "json_attributes_template",
        "availability",
        "device_class",
        "value_template",
        "expire_after",
        "force_update",
        "icon",
    ),
}
PLATFORM = {
    "sensor": {*ENTITY, "options", "state_class", "unit_of_measurement", "suggested_display_precision"},
    "binary_sensor": {*ENTITY, "payload_on", "payload_off", "off_delay"},
}
DEVICE_CLASSES = {"sensor": {"enum", "timestamp"}, "binary_sensor": {"connectivity", "problem"}}


def fault(topic: str, payload: str) -> str | None:
    """The first rule that a discovery message breaks."""
    if not TOPIC.fullmatch(topic):
        return f"topic {topic}"
    message = json.loads(payload)
    if not set(message) <= ROOT or not {"device", "origin", "components"} <= set(message):
        return f"root keys {sorted(message)}"
    for name, allowed in (("device", DEVICE), ("origin", ORIGIN)):
        if not set(message[name]) <= allowed:
            return f"{name} keys {sorted(message[name])}"
    if not (message["device"].get("identifiers") or message["device"].get("connections")):
        return "a device without identifiers"
    if not message["origin"].get("name"):
        return "an origin without a name"
    unique = [component["unique_id"] for component in message["components"].values() if "unique_id" in component]
    if len(set(unique)) != len(unique):
        return "unique_id twice"
    faults = [_availability_fault(message.get("availability", []))]
    faults += [_component_fault(key, component) for key, component in message["components"].items()]
    return next((text for text in faults if text is not None), None)


def _availability_fault(entries: Any) -> str | None:
    for entry in entries:
        if "topic" not in entry or not set(entry) <= AVAILABILITY or not _is_topic(entry["topic"]):
            return f"availability {entry}"
    return None


def _is_topic(topic: Any) -> bool:
    return isinstance(topic, str) and 0 < len(topic.encode()) < 65536 and not re.search(r"[\x00-\x1f\x7f-\x9f]", topic)


def _component_fault(key: str, component: dict[str, Any]) -> str | None:
    platform = component.get("platform")
    if platform not in PLATFORM:
        return f"{key}: platform {platform}"
    if set(component) == {"platform"}:
        return None  # takes the component back
    if not set(component) <= PLATFORM[platform]:
        return f"{key}: keys {sorted(set(component) - PLATFORM[platform])}"
    if not component.get("unique_id"):
        return f"{key}: no unique_id"
    for name in ("state_topic", "json_attributes_topic"):
        if name in component and not _is_topic(component[name]):
            return f"{key}: {name}"
    if "state_topic" not in component:
        return f"{key}: no state_topic"
    if component.get("device_class") not in {None, *DEVICE_CLASSES[platform]}:
        return f"{key}: device_class"
    if component.get("entity_category") not in (None, "diagnostic"):
        return f"{key}: entity_category"
    if "expire_after" in component and not (
        isinstance(component["expire_after"], int) and component["expire_after"] >= 0
    ):
        return f"{key}: expire_after"
    if "options" in component:
        if not component["options"] or not all(isinstance(option, str) for option in component["options"]):
            return f"{key}: options"
        if (
            component.get("device_class") != "enum"
            or component.get("state_class")
            or component.get("unit_of_measurement")
        ):
            return f"{key}: options need device_class enum, and no state_class or unit"
    if component.get("device_class") in ("enum", "timestamp") and component.get("state_class"):
        return f"{key}: state_class of a sensor that is no number"
    return _availability_fault(component.get("availability", []))
