#!/usr/bin/env bash
# Lists intrinsics that were not inlined: calls from code that the compiler built without an instruction set's
# features, each a hundred times slower than the instruction. Prints nothing when all is well.
set -euo pipefail
nm -C "${1:?a library or program built in release mode}" | grep -oE "_mm(256|512)_[a-z0-9_]+" | sort -u || true
