"""What people were told of agents, in one small file, so that what has left the configuration can be taken back.

A file, because a broker cannot be relied on to know: to read our own retained messages back we would need the right to
subscribe to them, would hear every line twice, and a broker that restarted holds nothing of what Home Assistant still
shows. It is a hint: written only when it changes, and a damaged one counts as none.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edge import limits
from edge.errors import DataError
from edge.shell.files import read_bounded, write_atomically

NAME = "people.json"
"""In the data directory."""
BYTES_MAX = 2 * limits.AGENTS_MAX * 64
"""Those there are and those that are gone: a name of 32, a platform, and what JSON puts around them."""
GONE_MAX = limits.AGENTS_MAX // 2
"""So many fit into one message to Home Assistant."""
PLATFORMS = ("sensor", "binary_sensor")


class Gone(NamedTuple):
    """What an earlier start told people of, and this one does not any more."""

    agents: Mapping[str, str]
    """By name the platform it was shown as; also one that is now shown as another."""
    discovery: bool
    """Home Assistant was told of the node, and shall not know it now."""


NOTHING = Gone({}, False)


class Told:
    """Remembers across starts. What is gone stays noted until `taken_back`, at most GONE_MAX agents of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now = NOTHING

    def begin(self, agents: Mapping[str, str], discovery: bool) -> Gone:
        """Note what is told from now on; answers what is to be taken back."""
        self._now = Gone(agents, discovery)
        before = self._load()
        left = {name: platform for name, platform in before.agents.items() if agents.get(name) != platform}
        gone = Gone(dict(list(left.items())[:GONE_MAX]), before.discovery and not discovery)
        noted = Gone({**agents, **gone.agents}, discovery or gone.discovery)
        if noted != before:
            self._save(noted)
        return gone

    def taken_back(self) -> None:
        """People know; only what is told now is left to remember."""
        self._save(self._now)

    def _load(self) -> Gone:
        try:
            document = json.loads(read_bounded(self._path, BYTES_MAX))
            agents = document["agents"]
            if not all(platform in PLATFORMS for platform in agents.values()):
                raise DataError("platforms that there are not")
            return Gone(dict(agents), bool(document["discovery"]))
        except FileNotFoundError:
            return NOTHING
        except (OSError, DataError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            logging.getLogger(__name__).warning("people-forgotten path=%s reason=%r", self._path, str(error))
            return NOTHING

    def _save(self, told: Gone) -> None:
        text = json.dumps({"agents": told.agents, "discovery": told.discovery}, separators=(",", ":"))
        try:
            write_atomically(self._path, text.encode(), mode=0o600)
        except OSError as error:
            logging.getLogger(__name__).warning("people-not-noted path=%s reason=%r", self._path, str(error))
