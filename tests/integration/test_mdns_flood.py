"""Ten thousand adverts by somebody who has no key: few are remembered, and the site is found all the same."""

import os
import subprocess
import sys
import time

from edge import limits
from tests.integration.links import DEADLINE_S, line_in
from tests.integration.network import network_of
from tests.integration.site_process import SiteProcess
from tests.integration.test_site import exchange

COUNT = 10_000
SITE = os.urandom(8).hex()
SPOOF = f"""
import socket, sys, time
from zeroconf import DNSOutgoing, ServiceInfo
from edge.shell.mdns import SERVICE
address, site, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
speaker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
speaker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
speaker.bind((address, 5353))
speaker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
for number in range({COUNT}):
    name = f"{{number:016x}}"
    info = ServiceInfo(
        SERVICE, f"{{name}}.{{SERVICE}}", port=1 + number % 60_000, server=f"synedge-{{name}}.local.",
        properties={{"v": "1", "site": site, "node": name[:8], "rank": "0", "role": "broker"}},
        parsed_addresses=[address],
    )
    out = DNSOutgoing(0x8400)  # an authoritative answer
    for record in (info.dns_pointer(), info.dns_service(), info.dns_text(), *info.dns_addresses()):
        out.add_answer_at_time(record, 0)
    for packet in out.packets():
        speaker.sendto(packet, ("224.0.0.251", 5353))
    if number % 20 == 19:
        time.sleep(seconds / {COUNT} * 20)
"""


def rss_mb(pid: int) -> float:
    return int(line_in(f"/proc/{pid}/status", "VmRSS").split()[0]) / 1000


def test_ten_thousand_spoofed_adverts_leave_few_candidates_and_the_true_broker_is_found():
    """Each names a broker of the best rank at a port where nobody listens; they come before the true one does."""
    with network_of(3) as network:
        finder = SiteProcess(
            SITE,
            1,
            namespace=network.names[1],
            host="never",
            interfaces=[network.address(1)],
            listen=network.address(1),
        )
        members = [finder]
        try:
            finder.wait("started")
            deadline = time.monotonic() + DEADLINE_S
            while finder.status()["mdns"] != "on":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            before_mb = rss_mb(finder.pid)
            spoof = [sys.executable, "-c", SPOOF, network.address(2), SITE, "8"]
            subprocess.run(["ip", "netns", "exec", network.names[2], *spoof], check=True, timeout=240)
            counts = finder.counts()
            assert counts["adverts_seen"] > COUNT // 10, "it was a flood"
            assert counts["brokers_known"] <= limits.CANDIDATE_BROKERS_MAX
            assert counts["brokers_evicted"] + counts["hints_dropped"] > COUNT // 20
            host = SiteProcess(
                SITE, 0, namespace=network.names[0], host="always", interfaces=[network.address(0)],
                listen=network.address(0),
            )  # fmt: skip
            members.append(host)
            host.wait("up")
            finder.wait("up")  # and not after half a second for each of the flood
            exchange(host, finder)
            assert finder.counts()["brokers_known"] <= limits.CANDIDATE_BROKERS_MAX
            assert rss_mb(finder.pid) - before_mb < 100, "what zeroconf keeps of them for their two minutes"
        finally:
            for member in members:
                member.end()
