"""The process that runs rumqttd (the `iotcore` wheel) as a hosted broker.

    python -m edge.shell.iotcore_child PARENT_PID UID GID HOST PORT < rumqttd.toml

The library is loaded before root is dropped (its directory may be closed to others), the broker runs after. rumqttd
reads its settings from a named file only: a private one that is gone before the first client comes.
"""

import logging
import os
import sys
import tempfile

from edge.shell.child import become_child


def main(argv: list[str]) -> int:
    parent_pid, uid, gid = (int(word) for word in argv[:3])
    host, port = argv[3], int(argv[4])
    from iotcore.iotcore import IotCoreBroker

    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it reports each packet as an error
    with tempfile.NamedTemporaryFile("wb", suffix=".toml") as settings:
        settings.write(sys.stdin.buffer.read())
        settings.flush()
        broker = IotCoreBroker(config_path=settings.name)
    listeners = [str(listener) for listener in broker.listeners()]
    if listeners != [f"{host}:{port}"]:
        print(f"error: would listen on {', '.join(listeners)} instead of {host}:{port}", file=sys.stderr)
        return 78
    broker.check_ports()
    become_child(parent_pid, uid, gid)
    os.chdir("/")
    broker.run_forever()
    return 70


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
