"""A SiteLink in a process of its own, told what to do by lines of JSON and saying what happens in the same way.

python -m tests.integration.site_process '{"site": …}'     (SiteOptions as JSON)
"""

import json
import signal
import subprocess
import sys
import threading
from typing import Any

from tests.integration.links import DEADLINE_S, Recorder


class SiteProcess:
    """The other end, in the test. `events` are dictionaries with "event"."""

    def __init__(self, site: str, index: int, *, namespace: str | None = None, **options: Any) -> None:
        self.index = index
        self.events = Recorder()
        settings = {
            "site": site,
            "index": index,
            "node": f"node-{index}",
            "node_id": f"{index:02x}" * 32,
            "keep_all": True,
            "rank": index,
            "interfaces": ["127.0.0.1"],
            **options,
        }
        inside = ["ip", "netns", "exec", namespace] if namespace is not None else []
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.integration.site_process", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.add(json.loads(line))

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def seen(self, event: str, after: int = 0) -> list[dict[str, Any]]:
        return [item for item in self.events.items()[after:] if item["event"] == event]

    def wait(self, event: str, after: int = 0, **fields: Any) -> dict[str, Any]:
        """The first such event since the `after`-th."""

        def matching(items: list[dict[str, Any]]) -> dict[str, Any] | None:
            return next(
                (item for item in items[after:] if item["event"] == event and fields.items() <= item.items()), None
            )

        found = self.events.wait(matching, f"node {self.index}: {event} {fields}")
        assert isinstance(found, dict)
        return found

    def mark(self) -> int:
        return len(self.events.items())

    def status(self) -> dict[str, Any]:
        mark = self.mark()
        self.tell(do="status")
        return dict(self.wait("status", mark)["status"])

    def counts(self) -> dict[str, int]:
        mark = self.mark()
        self.tell(do="counts")
        return dict(self.wait("counts", mark)["counts"])

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        self._close()

    def leave(self) -> None:
        """Ask it to stop cleanly; it must end by itself."""
        if self._process.poll() is None:
            self.tell(do="stop")
        assert self._process.wait(DEADLINE_S) == 0
        self._close()

    def end(self) -> None:
        """However it stands; for the end of a test."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
        self._close()

    def _close(self) -> None:
        self._reader.join(DEADLINE_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


def main() -> None:
    from edge.shell.site import SiteLink, SiteOptions
    from edge.wire.frame import Channel

    lock = threading.Lock()

    def say(event: str, **fields: Any) -> None:
        with lock:
            print(json.dumps({"event": event, **fields}), flush=True)

    settings = json.loads(sys.argv[1])
    for name in ("interfaces", "urls"):
        settings[name] = tuple(settings.get(name, ()))
    link = SiteLink(
        SiteOptions(**settings),
        deliver=lambda frame: say(
            "frame",
            channel=str(frame.channel),
            sender=frame.sender,
            size=len(frame.payload),
            head=frame.payload[:8].hex(),
        ),
        on_state=lambda up, reason: say("up" if up else "down", reason=reason),
    )
    link.start()
    say("started")
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "publish":
                payload = bytes.fromhex(command["head"]) + bytes(command.get("size", 0))
                say("published", ok=link.publish(Channel(command["channel"]), command["index"], payload))
            case "text":
                say("said", ok=link.publish_text(command["topic"], command["text"], retain=command["retain"]))
            case "watch":
                link.watch(command["filter"], lambda topic, payload: say("text", topic=topic, text=payload.decode()))
            case "rank":
                link.adopt(command["rank"], ())
            case "status":
                say("status", status=link.status())
            case "counts":
                say("counts", counts=link.counts())
            case "stop":
                break
    link.stop()
    say(
        "stopped",
        threads=[thread.name for thread in threading.enumerate() if thread.name in ("site-link", "mqtt-link")],
    )


if __name__ == "__main__":
    main()
