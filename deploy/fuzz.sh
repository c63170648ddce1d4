#!/usr/bin/env bash
# Runs tests/fuzz with our C built for the address and undefined-behaviour sanitizers, in a tree of its own under build/fuzz, so
# that the checkout keeps its extensions. Every bytes object is an allocation of its own there (PYTHONMALLOC), so that a read
# beyond the end of a file is seen. The case that a sanitizer ended is in build/fuzz/last. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$PWD/build/fuzz
python=$PWD/.venv/bin/python
rm -rf "$work/tree"
mkdir -p "$work/tree"
cp -r cython edge kernels tests deploy setup.py pyproject.toml "$work/tree"
find "$work/tree" -name '*.so' -delete
cd "$work/tree"
SYNEDGE_SANITIZE=1 "$python" setup.py -q build_ext --inplace >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 70; }

if [ $# = 0 ]; then set -- tests/fuzz; fi
runtime=$(gcc -print-file-name=libasan.so)
env LD_PRELOAD="$runtime" PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 SYNEDGE_FUZZ_LAST="$work/last" \
  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
  "$python" -m pytest -q -s -p no:cacheprovider "$@"
