#!/usr/bin/env bash
# Installs Debian packages, as root, without starting anything they bring: system-packages.sh PACKAGE...
# Debian starts and enables a freshly installed Mosquitto on port 1883. We only want the program: a node that hosts a broker
# runs its own, on its own port. A broker that was there before is neither stopped nor changed; it is not even asked for.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
saved=$policy.before-synedge

restore_policy() {
  rm -f "$policy"
  if [ -e "$saved" ] || [ -L "$saved" ]; then mv -f "$saved" "$policy"; fi
}

# For the time of the installation Mosquitto may not be started; every other question goes to the machine's own policy.
deny_mosquitto() {
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$saved"; fi
  trap restore_policy EXIT
  trap 'exit 130' INT TERM HUP
  cat >"$policy" <<POLICY
#!/bin/sh
for word in "\$@"; do
  case "\$word" in mosquitto | mosquitto.service) exit 101 ;; esac
done
if [ -x "$saved" ]; then exec "$saved" "\$@"; fi
exit 0
POLICY
  chmod 755 "$policy"
}

main() {
  local new_broker=0
  export DEBIAN_FRONTEND=noninteractive
  case " $* " in
    *" mosquitto "*)
      if ! dpkg-query -W -f '${Status}' mosquitto 2>/dev/null | grep -q ' installed$'; then new_broker=1; fi
      ;;
  esac
  apt-get update -qq || echo "system-packages: the package lists could not all be updated; trying with what there is" >&2
  if [ "$new_broker" = 1 ]; then deny_mosquitto; fi
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" </dev/null
  if [ "$new_broker" = 1 ]; then
    if command -v deb-systemd-helper >/dev/null; then deb-systemd-helper disable mosquitto.service >/dev/null 2>&1 || true; fi
    if command -v update-rc.d >/dev/null; then update-rc.d mosquitto disable >/dev/null 2>&1 || true; fi
    echo "system-packages: mosquitto is installed, neither started nor enabled (systemctl enable --now mosquitto would)"
  fi
}

main "$@"
