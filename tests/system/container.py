"""A small Debian with a real systemd as process 1, without touching this machine's own.

debootstrap makes it once (cached as a tarball); systemd-nspawn boots a copy inside a mount namespace of its own, with a
cgroup2 mount and an empty /run, so that neither a container manager nor a running systemd is needed outside. It is
driven by nsenter, because without registration there is no bus to ask. Root only.
"""

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ["ca-certificates", "systemd", "systemd-sysv"]
TOOLS = ["debootstrap", "systemd-nspawn", "nsenter", "unshare", "tar"]
MIRROR = "http://deb.debian.org/debian"
BOOT = """
mount -t tmpfs tmpfs /run
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec systemd-nspawn --quiet --boot --register=no --keep-unit --console=pipe "$@"
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unavailable() -> str | None:
    """Why this machine cannot do it; None if it can."""
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    if os.geteuid() != 0:
        return "containers need root"
    return f"not installed: {', '.join(missing)} (deploy/bootstrap.sh --boot)" if missing else None


def base(packages: list[str]) -> Path:
    """A tarball of a minimal Debian with these packages, no broker enabled; made once, in about a minute."""
    wanted = sorted({*PACKAGES, *packages})
    name = hashlib.sha256(" ".join([SUITE, *wanted]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synedge"
    tarball = cache / f"{SUITE}-{platform.machine()}-{name}.tar"
    if tarball.exists():
        return tarball
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / f"{name}.making"
    shutil.rmtree(tree, ignore_errors=True)
    include = f"--include={','.join(wanted)}"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, SUITE, tree, MIRROR], check=True, stdout=2, timeout=900
    )
    for link in tree.glob("etc/systemd/system/*.wants/mosquitto.service"):
        link.unlink()
    for link in tree.glob("etc/rc?.d/S*mosquitto"):
        link.unlink()
    # Empty, not absent: a first boot would apply presets and enable everything.
    (tree / "etc/machine-id").write_text("")
    (tree / "var/cache/apt/archives").mkdir(exist_ok=True, parents=True)
    for package in tree.glob("var/cache/apt/archives/*.deb"):
        package.unlink()
    making = tarball.with_suffix(".part")
    subprocess.run(["tar", "-C", tree, "-cf", making, "."], check=True, timeout=300)
    making.rename(tarball)
    shutil.rmtree(tree)
    return tarball


def unpack(tarball: Path, root: Path) -> None:
    root.mkdir(parents=True)
    subprocess.run(["tar", "-C", root, "-xf", tarball], check=True, timeout=300)
    # What the installer writes and debootstrap does not.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")


class Container:
    """A booted tree. `network`: share this machine's; otherwise it has a loopback of its own and nothing else."""

    def __init__(self, root: Path, *, network: bool = False) -> None:
        self.root = root
        self._network = network
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self, timeout_s: float = 60) -> None:
        arguments = ["--directory", str(self.root), *([] if self._network else ["--private-network"])]
        if self._network:
            arguments.append("--resolv-conf=copy-host")
        with (self.root.parent / "console.log").open("wb") as console:
            self._nspawn = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-ec", BOOT, "boot", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={"PATH": PATH, "LANG": "C.UTF-8"},
            )
        deadline = time.monotonic() + timeout_s
        while self._state() not in ("running", "degraded"):
            assert self._nspawn.poll() is None, f"nspawn ended: {self.console()}"
            assert time.monotonic() < deadline, f"no systemd after {timeout_s} s: {self.console()}"
            time.sleep(0.1)

    def console(self) -> str:
        return (self.root.parent / "console.log").read_text(errors="replace")[-4000:]

    def _state(self) -> str:
        """What systemd says of itself, empty while it is not there yet."""
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        for pid in pids:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                self._leader = int(pid)
        if not self._leader:
            return ""
        return self.run("systemctl", "is-system-running", check=False).stdout.strip()

    def run(
        self, *argv: str, check: bool = True, timeout_s: float = 60, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, to its end."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._leader), "--all", "--", *argv],
            env={"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def unit(self, name: str, *properties: str) -> dict[str, str]:
        """`systemctl show` of a unit."""
        shown = self.run("systemctl", "show", name, *(f"--property={each}" for each in properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", check=False).stdout

    def halt(self, timeout_s: float = 30) -> None:
        """Ask process 1 to power off (SIGRTMIN+4); kill nspawn, and with it everything inside, when it does not."""
        if self._nspawn is None:
            return
        if self._leader and self._nspawn.poll() is None:
            os.kill(self._leader, signal.SIGRTMIN + 4)
        try:
            self._nspawn.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()


@contextmanager
def booted(root: Path, *, network: bool = False) -> Iterator[Container]:
    container = Container(root, network=network)
    try:
        container.boot()
        yield container
    finally:
        container.halt()
