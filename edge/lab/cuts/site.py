"""The site that is cut: processes, each on a machine of its own, and what their logs say in the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edge.cli.certificate import fault_of
from edge.cli.site import FIRST_INDEX
from edge.consensus.certificate import Certificate, decode_certificate
from edge.consensus.committee import Committee
from edge.consensus.question import final_id, value_digest
from edge.dag.reader import read_log
from edge.dag.records import CERTIFICATE, VERTEX
from edge.errors import UnavailableError
from edge.lab.cuts.clock import WallClock
from edge.lab.cuts.history import Cast, History, Kept
from edge.lab.layout import Seat, found_site
from edge.lab.namespaces import Network
from edge.lab.process import Device, wait_until
from edge.shell.disk import DirectoryDisk
from edge.sim import proof
from edge.sim.signing import Genuine
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.items import Vote
from edge.wire.vertex import Header, decode_header

START_S_MAX = 120.0
STOP_S = 10.0
CONFIG = """\
[node]
name = {name}
keep = "all"
[mqtt]
interfaces = ["{address}"]
home_assistant = false
[broker]
host = "{host}"
listen = "{address}"
"""


class CutSite:
    """Machine n is node n: members who vote first, then devices. Two devices host brokers, whoever else may, too."""

    def __init__(self, root: Path, network: Network, voters: int, devices: int) -> None:
        names = [f"voter-{number + 1}" for number in range(voters)]
        names += [f"device-{number + 1}" for number in range(devices)]
        self.network = network
        self.voters = range(voters)
        self._quorum = Committee(voters, (voters - 1) // 3).quorum
        self._judged: dict[bytes, str] = {}
        """Certificates that were looked at, and what is wrong with them."""
        self.hosts = (voters, voters + devices // 2)
        """The machines of the two devices that host, one for each half of a cut."""
        self._seats = [Seat(name, "device", root / name, None) for name in names]
        self.site = found_site(root, self._seats, voting=names[:voters])
        self.clocks: dict[int, WallClock] = {}
        """Of those whose clock can be set wrong, by machine."""
        self.nodes = [Device(seat.name, seat.directory, network.inside(at)) for at, seat in enumerate(self._seats)]
        for at, seat in enumerate(self._seats):
            host = "always" if at in self.hosts else "auto"
            text = CONFIG.format(name=json.dumps(seat.name), address=network.address(at), host=host)
            seat.config.write_text(text)

    def give_clocks(self, machines: Sequence[int]) -> None:
        """Let these live by clocks of their own, which are right at first; before they start."""
        for at in machines:
            self.clocks[at] = WallClock(self.nodes[at].directory / "clock")
            self.nodes[at].command = self.clocks[at].command()

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        if not wait_until(self.are_together, START_S_MAX, 0.25):
            silent = next((node for node in self.nodes if not node.status), self.nodes[0])
            raise UnavailableError(f"the site does not come together:\n{silent.last_words()}")

    def are_together(self) -> bool:
        """Whether everyone hears everyone over two brokers."""
        statuses = [node.poll() for node in self.nodes]
        others = len(self.nodes) - 1
        return all(
            status is not None
            and status["peers_online"] == others
            and len((status["mqtt"] or {"links": []})["links"]) == 2
            for status in statuses
        )

    def stop(self) -> dict[str, int | None]:
        """End everyone; exit codes by name, None of who had to be killed."""
        for node in self.nodes:
            node.terminate()
        return {node.name: node.wait(STOP_S) for node in self.nodes}

    def close(self) -> None:
        for node in self.nodes:
            if node.is_running:
                node.kill()

    # ---- what the logs say

    def read(self, history: History) -> None:
        """Certificates and votes of every log, when every process has ended."""
        seen: set[bytes] = set()
        for node in self.nodes:
            disk = DirectoryDisk(node.directory / "data" / "log", read_only=True)
            try:
                for _, record in read_log(disk):
                    if record.type == CERTIFICATE:
                        history.kept.append(self.kept(node.name, record.payload))
                    elif record.type == VERTEX:
                        history.cast.extend(_votes(record.payload, seen))
            finally:
                disk.close()

    def kept(self, node: str, raw: bytes) -> Kept:
        """What a certificate says, and whether it is true by the site's roster."""
        certificate = decode_certificate(raw)
        if not isinstance(certificate, Certificate):
            return Kept(node, "", 0, "", None, "", str(certificate))
        roster, question = self.site.roster, certificate.question
        predecessor = question.predecessor.hex() if question.predecessor is not None else None
        names = final_id(roster.site, question, value_digest(certificate.value)).hex()
        fault = self._fault(certificate)
        value = certificate.value.hex()
        return Kept(node, question.key, question.version, value, predecessor, names, fault)

    def _fault(self, certificate: Certificate) -> str:
        """As `synedge certificate verify` says, and once more by code that shares nothing with nodes."""
        raw, roster = certificate.raw, self.site.roster
        if raw not in self._judged:
            said = str(fault_of(certificate, roster) or "")
            self._judged[raw] = said or proof.fault(
                raw, roster, Genuine(), range(FIRST_INDEX + len(self.voters)), self._quorum
            )
        return self._judged[raw]


def _votes(payload: bytes, seen: set[bytes]) -> list[Cast]:
    """The votes in a vertex that was not read before; signatures were verified by who holds it."""
    frame = decode_vertex(payload)
    header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
    if not isinstance(header, Header) or header.id in seen:
        return []
    seen.add(header.id)
    return [
        Cast(header.author, (item.conflict.hex()[:16], item.ballot, item.phase), (item.value or b"").hex()[:16])
        for item in header.items
        if isinstance(item, Vote)
    ]
