#!/usr/bin/env bash
# Runs the tests that need one process only on aarch64: Debian's arm64 Python and the wheels for aarch64 under qemu-user,
# our extensions cross-compiled from the C that the build has left in build/cython. Nothing is installed; everything
# lies in build/aarch64. Arguments go to pytest; without any, the tests of the pure floors run (about two minutes; with tests/property, six).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$PWD/build/aarch64
root=$work/root
python=$root/usr/bin/python3.11
packages=(python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libpython3.11-dev libc6 libssl3 zlib1g libffi8
  libexpat1 libsqlite3-0 libbz2-1.0 liblzma5 libuuid1 libncursesw6 libtinfo6 libgcc-s1 libstdc++6)
# pymicro-wakeword, pqcrypto and iotcore are left out: engines and brokers are processes of their own.
wheels=(paho-mqtt zeroconf ifaddr pycryptodome cffi pycparser pytest iniconfig packaging pluggy Pygments hypothesis
  sortedcontainers typing_extensions cbor2 cryptography)
warnings=(-Wall -Wextra -Wno-unused-function -Wno-unused-parameter -Wno-missing-field-initializers -Wno-maybe-uninitialized)

for command in aarch64-linux-gnu-gcc qemu-aarch64-static; do
  command -v "$command" >/dev/null || {
    echo "test-aarch64: no $command; install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" >&2
    exit 69
  }
done

# A state of apt of our own: the machine's stays as it is.
debian() {
  local state=$work/apt
  apt-get -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::Cache="$state" \
    -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}

interpreter() {
  if [ -x "$python" ]; then return; fi
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/debs" "$root"
  debian -qq update
  (cd "$work/debs" && debian -qq download "${packages[@]}")
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
}

dependencies() {
  if [ -d "$work/site" ]; then return; fi
  local pins=() name platforms=()
  for name in "${wheels[@]}"; do pins+=("$(grep -hi "^$name==" deploy/requirements/*.txt | sort -u)"); done
  for name in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do platforms+=(--platform "${name}_aarch64"); done
  .venv/bin/python -m pip --quiet download --no-deps --only-binary=:all: "${platforms[@]}" --python-version 3.11 \
    --implementation cp --abi cp311 --abi abi3 --abi none --dest "$work/wheels" "${pins[@]}" attrs
  for name in "$work"/wheels/*.whl; do .venv/bin/python -m zipfile -e "$name" "$work/site.new"; done
  mv "$work/site.new" "$work/site"
}

extensions() {
  local name
  for name in wire/_cbor wire/_event dag/_crc32c; do
    nice aarch64-linux-gnu-gcc -O2 -shared -fPIC "${warnings[@]}" -I"$root/usr/include/python3.11" -I"$root/usr/include" \
      -o "edge/$name.cpython-311-aarch64-linux-gnu.so" "build/cython/cython/${name#*/_}.c"
  done
  .venv/bin/python kernels/build_kernels.py "$work/_kernels.c"
  nice aarch64-linux-gnu-gcc -std=c11 -O2 -shared -fPIC -ffp-contract=off "${warnings[@]}" -I"$root/usr/include/python3.11" \
    -I"$root/usr/include" -Ikernels/include -o edge/nn/_kernels.cpython-311-aarch64-linux-gnu.so \
    "$work/_kernels.c" kernels/src/*.c kernels/src/*/*.c -lm
}

interpreter
dependencies
.venv/bin/python setup.py -q build_ext --inplace
extensions
if [ $# = 0 ]; then
  set -- tests/unit/wire tests/unit/dag tests/unit/mesh tests/unit/sense tests/unit/nn tests/unit/node
fi
export PYTHONPATH=$work/site:$PWD PYTHONDONTWRITEBYTECODE=1
exec qemu-aarch64-static -L "$root" "$python" -m pytest -q -p no:cacheprovider "$@"
