#!/usr/bin/env bash
# Tests on emulated boards: Debian's Python of another architecture under qemu-user, our extensions cross-compiled.
#
#   deploy/test-arm.sh [arm64 | armhf]...      both without arguments
#
# For each: the tests of the pure floors (codec, graph, mesh, engine) on one CPU, those that run kernels on every CPU, a
# variant that a CPU lacks demanded by name, and two agents that exchange vertices through a real broker. Nothing is installed;
# everything lies in build/arm, the checkout keeps its own extensions. The first run downloads about 60 MB for each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$PWD/build/arm
host=$PWD/.venv/bin/python
floors=(tests/unit/wire tests/unit/dag tests/unit/mesh tests/unit/sense tests/unit/node)
engine=(tests/unit/nn)
files=(cases fann fann_data flatbuffer graph tensor tflite tflite_writer) # of its tests those that run no kernel: once is enough
packages=(python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libpython3.11-dev libc6 libssl3 zlib1g libffi8 libffi-dev
  libexpat1 libsqlite3-0 libbz2-1.0 liblzma5 libuuid1 libncursesw6 libtinfo6 libgcc-s1 libstdc++6)
pure=(paho-mqtt ifaddr pycparser pytest iniconfig packaging pluggy Pygments hypothesis sortedcontainers typing_extensions attrs)
binary=(zeroconf cbor2 cffi pycryptodome)
sources=(cffi pycryptodome) # armhf has no wheels of these: what a board would compile, cross-compiled
warnings=(-Wall -Wextra -Wno-unused-function -Wno-unused-parameter -Wno-missing-field-initializers -Wno-maybe-uninitialized)

describe() { # describe ARCHITECTURE: sets triplet, tag, emulator, cpus, lacking
  case "$1" in
    arm64) triplet=aarch64-linux-gnu tag=aarch64 emulator=qemu-aarch64-static cpus=(cortex-a53 cortex-a72 cortex-a76) lacking=neondot ;;
    armhf) triplet=arm-linux-gnueabihf tag=armv7l emulator=qemu-arm-static cpus=(cortex-a7 cortex-a9 cortex-a15) lacking=avx2 ;;
    *) echo "test-arm: $1 is not allowed; allowed: arm64, armhf" >&2 && exit 64 ;;
  esac
  root=$work/$1/root site=$work/$1/site tree=$work/$1/tree compiler=$triplet-gcc
  python=$root/usr/bin/python3.11
  local command
  for command in "$compiler" "$emulator" mosquitto; do
    PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null || {
      echo "test-arm: no $command; deploy/bootstrap.sh --arm installs it" >&2 && exit 69
    }
  done
}

# A state of apt of our own: the machine's stays as it is.
debian() { # debian ARCHITECTURE WORDS...
  local state=$work/$1/apt architecture=$1
  shift
  apt-get -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State=$state" \
    -o "Dir::Cache=$state" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}

interpreter() {
  if [ -x "$python" ]; then return; fi
  mkdir -p "$work/$1/apt/lists/partial" "$work/$1/apt/archives/partial" "$work/$1/debs" "$root"
  debian "$1" -qq update || echo "test-arm: the package lists could not all be updated; trying with what there is" >&2
  (cd "$work/$1/debs" && debian "$1" -qq download "${packages[@]}")
  local package
  for package in "$work/$1"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
}

pin() { grep -hi "^$1==" deploy/requirements/run.txt deploy/requirements/test.txt | sort -u; }

wheels() { # wheels TAG... : pins on standard input
  local platforms=() pins name
  for name in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_31 manylinux_2_34 manylinux_2_36; do
    platforms+=(--platform "${name}_$tag")
  done
  mapfile -t pins
  "$host" -m pip --quiet download --no-deps --only-binary=:all: "${platforms[@]}" --python-version 3.11 --implementation cp \
    --abi cp311 --abi abi3 --abi none --dest "$work/$1/wheels" "${pins[@]}"
}

dependencies() {
  if [ -d "$site" ]; then return; fi
  local name
  rm -rf "$site.new" && mkdir -p "$site.new"
  for name in "${pure[@]}"; do pin "$name"; done | wheels "$1"
  for name in "${binary[@]}"; do
    case "$1 $name" in
      "armhf cbor2") echo "cbor2==5.9.0" | wheels "$1" ;; # an oracle of tests, whose newer versions have no wheel for it
      "armhf cffi" | "armhf pycryptodome") ;;
      *) pin "$name" | wheels "$1" ;;
    esac
  done
  for name in "$work/$1"/wheels/*.whl; do "$host" -m zipfile -e "$name" "$site.new"; done
  if [ "$1" = armhf ]; then compiled_sources "$1"; fi
  mv "$site.new" "$site"
}

# cffi's one file of C, and pycryptodome's, built by its own setup.py with a compiler that makes ARM code.
compiled_sources() {
  local name here=$work/$1/sources
  rm -rf "$here" && mkdir -p "$here"
  for name in "${sources[@]}"; do
    "$host" -m pip --quiet download --no-deps --no-binary=:all: --no-build-isolation --dest "$here" "$(pin "$name")"
  done
  (cd "$here" && for name in *.tar.gz; do tar xf "$name"; done)
  cp -r "$here"/cffi-*/src/cffi "$site.new/"
  include=(-I"$root/usr/include/python3.11" -I"$root/usr/include" -I"$root/usr/include/$triplet")
  nice "$compiler" -O2 -shared -fPIC "${include[@]}" -o "$site.new/_cffi_backend.so" "$here"/cffi-*/src/c/_cffi_backend.c \
    -L"$root/usr/lib/$triplet" -lffi
  # The host's Python would add its own libraries to the search.
  cat >"$here/cc" <<CC
#!/bin/bash
exec $compiler "\${@/#-L\/usr*/-L.}"
CC
  chmod 755 "$here/cc"
  (cd "$here"/pycryptodome-*/ && CC="$here/cc" CFLAGS="${include[*]}" LDSHARED="$here/cc -shared" \
    nice "$host" setup.py -q build --build-lib "$site.new" >"$here/log" 2>&1) || { tail -30 "$here/log" >&2 && exit 70; }
}

# The checkout's sources with extensions for the board.
extensions() {
  local name source include
  rm -rf "$tree" && mkdir -p "$tree"
  cp -r cython edge kernels tests deploy docs pyproject.toml "$tree"
  find "$tree" -name '*.so' -delete
  include=(-I"$root/usr/include/python3.11" -I"$root/usr/include")
  while read -r name source; do
    (cd "$tree" && "$host" -m cython -3 -I cython --module-name "$name" -o "$work/$1/${name##*.}.c" "$source")
    nice "$compiler" -O2 -shared -fPIC "${warnings[@]}" "${include[@]}" -o "$tree/${name//.//}.so" "$work/$1/${name##*.}.c"
  done < <(sed -n 's/^    "\(edge[^"]*\)": "\(cython[^"]*\)",$/\1 \2/p' setup.py)
  (cd "$tree" && "$host" kernels/build_kernels.py "$work/$1/_kernels.c" && "$host" kernels/build_tflite_capi.py)
  (cd "$tree" && nice "$compiler" -std=c11 -O2 -shared -fPIC -ffp-contract=off -fno-math-errno "${warnings[@]}" "${include[@]}" \
    -Ikernels/include -o edge/nn/_kernels.so "$work/$1/_kernels.c" kernels/src/*.c kernels/src/*/*.c -lm)
}

# A command `python` for the board, which tests can also start as a process.
launcher() { # launcher CPU
  printf '#!/bin/sh\nexec %s -cpu %s -L %s %s "$@"\n' "$(command -v "$emulator")" "$1" "$root" "$python" >"$work/python-$1"
  chmod 755 "$work/python-$1"
}

board() {
  describe "$1"
  interpreter "$1"
  dependencies "$1"
  extensions "$1"
  export PYTHONPATH=$site:$tree PYTHONDONTWRITEBYTECODE=1
  local cpu said alike=()
  cd "$tree"
  for cpu in "${cpus[@]}"; do
    launcher "$cpu"
    said=$("$work/python-$cpu" -c 'from edge.nn import kernels; kernels.select(); print(kernels.selected())')
    echo "test-arm: $1 on $cpu: $said"
    "$work/python-$cpu" -m pytest -q -p no:cacheprovider "${engine[@]}" "${alike[@]}"
    alike=("${files[@]/#/--ignore=tests/unit/nn/test_}")
    alike=("${alike[@]/%/.py}")
  done
  said=$(SYNEDGE_KERNEL=$lacking "$work/python-${cpus[0]}" -m edge doctor --json 2>&1 || true)
  grep -q "kernel $lacking: this \(CPU lacks the instructions\|build has no code for it\)" <<<"$said" ||
    { echo "test-arm: $lacking on ${cpus[0]} is not refused by name: $said" >&2 && exit 1; }
  "$work/python-${cpus[0]}" -m pytest -q -p no:cacheprovider "${floors[@]}"
  cd - >/dev/null
  env -u PYTHONPATH SYNEDGE_ARM_PYTHON="$work/python-${cpus[0]}" SYNEDGE_ARM_PATH="$PYTHONPATH" \
    "$host" -m pytest -q -p no:cacheprovider tests/integration/test_arm_mesh.py
  unset PYTHONPATH
}

if [ $# = 0 ]; then set -- arm64 armhf; fi
for architecture in "$@"; do board "$architecture"; done
