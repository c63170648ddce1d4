"""What a board is and how it is at this moment, as far as the kernel tells. What it does not tell is None."""

from __future__ import annotations

import os
import platform
import struct
from pathlib import Path
from typing import Any

CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
CPUINFO = Path("/proc/cpuinfo")
MODEL = Path("/proc/device-tree/model")
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Raspberry Pi's firmware: bits of vcgencmd get_throttled, 0 when the board was never slowed down since its start."""


PARTS = {"0xb76": "ARM1176", "0xc07": "Cortex-A7", "0xc09": "Cortex-A9", "0xc0f": "Cortex-A15", "0xd03": "Cortex-A53",
         "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}  # fmt: skip
"""Arm's own cores by their part number, MIDR_EL1[15:4]; Linux tells that instead of a name."""


def cores(cpuinfo: str) -> str | None:
    """The kinds of core that /proc/cpuinfo of an Arm board lists."""
    parts = dict.fromkeys(
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("CPU part")
    )
    return ", ".join(PARTS.get(part, f"part {part}") for part in parts) or None


def look() -> dict[str, Any]:
    """What does not change, and its state."""
    return {
        "model": _text(MODEL),
        "cores": cores(_text(CPUINFO) or ""),
        "system": platform.platform(),
        "pointer_bits": 8 * struct.calcsize("P"),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
        "governor": _text(CPUFREQ / "scaling_governor"),
        "mhz_max": _thousandths(CPUFREQ / "scaling_max_freq"),
        **state(),
    }


def state() -> dict[str, Any]:
    """Frequency, temperature, and whether it was slowed down."""
    return {
        "mhz": _thousandths(CPUFREQ / "scaling_cur_freq"),
        "celsius": _thousandths(THERMAL),
        "throttled": _text(THROTTLED),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def _thousandths(path: Path) -> float | None:
    """A number that the kernel gives in thousandths."""
    text = _text(path)
    return int(text) / 1000 if text and text.lstrip("-").isdigit() else None
