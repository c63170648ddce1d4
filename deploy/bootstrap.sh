#!/usr/bin/env bash
# Makes a checkout ready: missing system packages, .venv with pinned dependencies, compiled extensions. Says what it installs
# and why; does nothing, and needs no network, when nothing changed.
#
#   deploy/bootstrap.sh            what `make demo` needs
#   deploy/bootstrap.sh --test     and what `make test` needs
#   deploy/bootstrap.sh --voice    and what `synedge demo --voice` speaks and hears with
#   deploy/bootstrap.sh --bench    and the peers of `synedge bench nn`
#   deploy/bootstrap.sh --boot     and what `make test-boot` needs (a real systemd in a container)
#   deploy/bootstrap.sh --arm      and what `make test-arm` needs (cross compilers, qemu-user)
#
# PYTHON=/path/to/python3 chooses the interpreter (3.11 or newer); otherwise the system's. Package indexes are those that pip
# and apt are configured for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pins=deploy/requirements
profile=run
case "${1-}" in
  "") ;;
  --test) profile="test" ;;
  --voice) profile=voice ;;
  --bench) profile=bench ;;
  --arm) profile=arm ;;
  --boot) profile=boot ;;
  *) echo "usage: deploy/bootstrap.sh [--test | --voice | --bench | --arm | --boot]" >&2 && exit 64 ;;
esac

is_for_tests() { case "$profile" in test | arm | boot) ;; *) return 1 ;; esac }
say() { echo "bootstrap: $*"; }
fail() { echo "bootstrap: $2" >&2 && exit "$1"; }

# -- system packages ---------------------------------------------------------------------------------------------------

missing=()
need() { # need PACKAGE WHY COMMAND...: the command tells whether it is there
  local package=$1 why=$2
  shift 2
  if "$@" >/dev/null 2>&1; then return; fi
  say "missing: $package ($why)"
  missing+=("$package")
}

have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1"; }
fann_sets() { dpkg-query -W -f '${Status}' libfann-doc | grep ' installed$'; }
fann_library() { PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep libfloatfann; }
c_library() { echo '#include <stdio.h>' | gcc -E -; }

# An interpreter is usable when it is new enough, can make environments and has its headers.
usable_python() {
  "$1" -c 'import ensurepip, os, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 11) or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.13 python3.12 python3.11}; do
    if usable_python "$candidate" >/dev/null 2>&1; then command -v "$candidate" && return; fi
  done
  return 1
}

system_packages() {
  need gcc "compiles the extensions" have gcc
  need libc6-dev "C headers for the extensions" c_library
  need mosquitto "the broker that a node hosts; as a program only, not as a service" have mosquitto
  if [ -z "${PYTHON-}" ] && ! find_python >/dev/null; then
    missing+=(python3 python3-venv python3-dev)
    say "missing: python3 python3-venv python3-dev (no Python of 3.11 or newer with venv and headers)"
  fi
  if [ "$profile" = bench ]; then need libfann2 "a peer of bench nn" fann_library; fi
  if [ "$profile" = voice ] || is_for_tests; then need espeak-ng "speaks the words of demo --voice" have espeak-ng; fi
  if is_for_tests; then
    need mosquitto-clients "tests read people's topics as a person would" have mosquitto_sub
    need libfann2 "a second FANN, which reads and runs what ours writes" fann_library
    need libfann-doc "its training sets, which ours is judged by" fann_sets
    need iproute2 "tests build networks of their own" have ip
    need shellcheck "checks our scripts" have shellcheck
    need spin "searches every state of the model of agreement" have spin
    need strace "tests watch the order of writes and syncs" have strace
    need faketime "tests start a device whose clock stands in 1970" have faketime
    need systemd "checks the unit (systemd-analyze)" have systemd-analyze
  fi
  if [ "$profile" = arm ] || { is_for_tests && [ "${CI-}" = true ]; }; then
    need gcc-aarch64-linux-gnu "builds the kernels for boards of 64 bits" have aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross "their C library" test -d /usr/aarch64-linux-gnu/include
    need gcc-arm-linux-gnueabihf "builds them for boards of 32 bits" have arm-linux-gnueabihf-gcc
    need libc6-dev-armhf-cross "their C library" test -d /usr/arm-linux-gnueabihf/include
    need qemu-user-static "runs them here" have qemu-aarch64-static
  fi
  if [ "$profile" = boot ]; then
    need debootstrap "makes the container's Debian" have debootstrap
    need systemd-container "boots it (systemd-nspawn)" have systemd-nspawn
  fi
  if [ ${#missing[@]} -gt 0 ]; then install_packages; fi
}

install_packages() {
  local manual="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  if ! have apt-get >/dev/null; then fail 69 "no apt-get here; install what provides: ${missing[*]}"; fi
  say "installing: ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then
    deploy/system-packages.sh "${missing[@]}"
  elif have sudo >/dev/null; then
    if [ -t 0 ]; then sudo deploy/system-packages.sh "${missing[@]}"; else sudo -n deploy/system-packages.sh "${missing[@]}"; fi
  else
    fail 77 "neither root nor sudo; as root, run: $manual"
  fi || fail 69 "the packages could not be installed; to see why, run as root: $manual"
}

# -- .venv and pinned dependencies -------------------------------------------------------------------------------------

digest() { sha256sum "$@" | sha256sum | cut -d ' ' -f 1; }
is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

environment() {
  if .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then return; fi
  local python
  python=$(find_python) || fail 69 "no usable Python of 3.11 or newer${PYTHON:+ at PYTHON=$PYTHON} (it needs venv and its headers)"
  say "making .venv with $python"
  "$python" -m venv --clear .venv
}

pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }

# Dependencies of the device process pass through .venv/wheels, so that `make install` and the wheel test need no network.
dependencies() {
  local run test
  run=$(digest "$pins/run.txt" "$pins/build.txt")
  test=$(digest "$pins/test.txt" "$pins/tflite.txt" "$pins/litert.txt")
  if ! is_current .venv/stamp-run "$run"; then
    say "installing Python packages: $pins/run.txt build.txt"
    rm -rf .venv/wheels.new
    pip wheel --no-deps --wheel-dir .venv/wheels.new -r "$pins/run.txt"
    rm -rf .venv/wheels
    mv .venv/wheels.new .venv/wheels
    pip install --root-user-action=ignore --no-deps --find-links .venv/wheels -r "$pins/run.txt" -r "$pins/build.txt"
    echo "$run" >.venv/stamp-run
  fi
  if [ "$profile" = bench ] && ! is_current .venv-bench/stamp "$(digest "$pins/bench.txt")"; then
    say "installing Python packages: $pins/bench.txt into .venv-bench"
    .venv/bin/python -m venv --without-pip --clear .venv-bench
    pip --python .venv-bench/bin/python install --root-user-action=ignore --no-deps -r "$pins/bench.txt"
    digest "$pins/bench.txt" >.venv-bench/stamp
  fi
  if { [ "$profile" = voice ] || is_for_tests; } && ! is_current .venv/stamp-voice "$(digest "$pins/voice.txt")"; then
    say "installing Python packages: $pins/voice.txt"
    pip install --root-user-action=ignore --no-deps -r "$pins/voice.txt"
    digest "$pins/voice.txt" >.venv/stamp-voice
  fi
  if is_for_tests && ! is_current .venv/stamp-test "$test"; then
    say "installing Python packages: $pins/test.txt"
    pip install --root-user-action=ignore --no-deps -r "$pins/test.txt"
    worker_environment
    oracle_environment
    echo "$test" >.venv/stamp-test
  fi
}

# tflite-runtime runs in a worker with an interpreter of its own, so that numpy is never installed beside the agent.
worker_environment() {
  if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
    say "no worker engine in .venv-tflite: tflite-runtime has no wheel for this Python (it stops at 3.11)"
    return
  fi
  say "installing Python packages: $pins/tflite.txt into .venv-tflite"
  .venv/bin/python -m venv --without-pip --clear .venv-tflite
  pip --python .venv-tflite/bin/python install --root-user-action=ignore --no-deps -r "$pins/tflite.txt"
}

# The reference kernels that ours are compared with, likewise on their own.
oracle_environment() {
  say "installing Python packages: $pins/litert.txt into .venv-litert"
  .venv/bin/python -m venv --without-pip --clear .venv-litert
  if pip --python .venv-litert/bin/python install --root-user-action=ignore --no-deps -r "$pins/litert.txt"; then
    touch .venv-litert/synedge-done
  else
    say "no ai-edge-litert for this Python or machine: parity with the reference kernels is not tested here"
  fi
}

# -- extensions and the command ----------------------------------------------------------------------------------------

extensions() {
  local sources stamp
  mapfile -t sources < <(find cython kernels -type f ! -name '*.md' ! -path '*/__pycache__/*' | LC_ALL=C sort)
  stamp="$(digest setup.py "${sources[@]}") $(.venv/bin/python -VV | tr -d '\n') ${SYNEDGE_DEBUG-}/${SYNEDGE_SANITIZE-}"
  if is_current build/stamp "$stamp"; then return; fi
  say "compiling the extensions"
  mkdir -p build
  .venv/bin/python setup.py -q build_ext --inplace --force >build/log 2>&1 || { cat build/log >&2 && fail 70 "the extensions do not compile"; }
  echo "$stamp" >build/stamp
}

# `synedge` in .venv runs this checkout: a path entry and a launcher, nothing that every start would pay for.
command_line() {
  local site
  site=$(echo .venv/lib/python3*/site-packages)
  pwd >"$site/synedge-checkout.pth"
  printf '#!%s\nimport sys\n\nfrom edge.cli.main import main\n\nsys.exit(main())\n' "$PWD/.venv/bin/python" >.venv/bin/synedge
  chmod 755 .venv/bin/synedge
}

mkdir -p build
exec 9>build/bootstrap.lock
flock 9
system_packages
environment
dependencies
extensions
command_line
