#!/usr/bin/env bash
# Puts the wheel from dist/ into an environment of its own, with unit, account, directories and example config in place.
# Called by `make install` and `make uninstall`; running it twice changes nothing. It never starts or enables anything.
#
# PREFIX (/opt/synedge), DESTDIR (for packaging), PYTHON (the interpreter that will run the service; otherwise the system's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PREFIX=${PREFIX:-/opt/synedge}
DESTDIR=${DESTDIR-}
root=$DESTDIR$PREFIX
# The local administrator's part of the tree: /usr/lib belongs to the distribution, /etc to the administrator's own edits.
units=$DESTDIR/usr/local/lib/systemd/system
presets=$DESTDIR/usr/local/lib/systemd/system-preset
accounts=$DESTDIR/usr/local/lib/sysusers.d
directories=$DESTDIR/usr/local/lib/tmpfiles.d

fail() { echo "install: $2" >&2 && exit "$1"; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
is_live() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }

# The service runs as its own account, which cannot read a home directory: the system's interpreter, when it fits the wheel.
choose_python() {
  local built chosen
  built=$(version_of .venv/bin/python)
  chosen=${PYTHON:-/usr/bin/python3}
  if [ ! -x "$chosen" ] || [ "$(version_of "$chosen")" != "$built" ]; then
    if [ -n "${PYTHON-}" ]; then fail 69 "PYTHON=$PYTHON is not Python $built, for which the extensions are compiled"; fi
    chosen=$(.venv/bin/python -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
    echo "install: no Python $built at /usr/bin/python3; the service will run $chosen" >&2
    case "$chosen" in /root/* | /home/*) echo "install: the unit hides home directories, so it cannot start that one" >&2 ;; esac
  fi
  echo "$chosen"
}

environment() {
  local python=$1 wheel site
  wheel=$(echo dist/synedge-*.whl)
  [ -f "$wheel" ] || fail 66 "no wheel in dist/; run: make build"
  # Cleared each time: what an older version left behind would still be importable.
  "$python" -m venv --without-pip --clear "$root"
  .venv/bin/python -m pip --disable-pip-version-check --python "$root/bin/python" install --quiet --no-compile \
    --root-user-action=ignore --no-warn-script-location --no-index --no-deps --find-links .venv/wheels \
    -r deploy/requirements/run.txt "$wheel"
  site=$(echo "$root"/lib/python3*/site-packages)
  # Compiled here, because the service may not write there; paths as they will be on the machine.
  "$root/bin/python" -m compileall -q -s "${DESTDIR:-/}" -p / "$site" || fail 70 "the installed sources do not compile"
  if [ -n "$DESTDIR" ]; then
    find "$root/bin" -type f -exec sed -i "1s|^#!$DESTDIR|#!|" {} +
    sed -i "s|$DESTDIR||g" "$root/pyvenv.cfg" "$root"/bin/[aA]ctivate*
  fi
}

place() { install -D -m "$1" "$2" "$3"; }

do_install() {
  environment "$(choose_python)"
  install -d "$units"
  sed "s|/opt/synedge|$PREFIX|g" systemd/synedge.service >"$units/synedge.service"
  chmod 644 "$units/synedge.service"
  place 644 systemd/80-synedge.preset "$presets/80-synedge.preset"
  place 644 systemd/synedge.sysusers.conf "$accounts/synedge.conf"
  place 644 systemd/synedge.tmpfiles.conf "$directories/synedge.conf"
  place 644 deploy/synedge.example.toml "$root/share/synedge/synedge.example.toml"
  if is_live; then
    systemd-sysusers synedge.conf
    systemd-tmpfiles --create synedge.conf
    systemctl daemon-reload
  fi
  echo "installed: $PREFIX/bin/synedge, synedge.service (neither started nor enabled), $PREFIX/share/synedge/synedge.example.toml"
  echo "next: /etc/synedge/synedge.toml, then systemctl enable --now synedge (docs/OPERATING.md)"
}

do_uninstall() {
  if is_live; then systemctl disable --now synedge.service 2>/dev/null || true; fi
  rm -f "$units/synedge.service" "$presets/80-synedge.preset" "$accounts/synedge.conf" "$directories/synedge.conf"
  # Only an environment that we made.
  if [ -e "$root/share/synedge/synedge.example.toml" ]; then rm -rf "$root"; fi
  if is_live; then systemctl daemon-reload; fi
  echo "removed: $PREFIX and the unit; /etc/synedge, /var/lib/synedge and the account stay"
}

case "${1-}" in
  install) do_install ;;
  uninstall) do_uninstall ;;
  *) echo "usage: deploy/install.sh install | uninstall" >&2 && exit 64 ;;
esac
