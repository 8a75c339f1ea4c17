#!/usr/bin/env bash
# Compares the fast paths of BINARY, as scripts/fast_path counts them, with fast_paths.golden:
#   tests/golden/compare.sh BINARY [--update]
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
golden=$here/fast_paths.golden
now=$(for symbol in $(grep -o '^tarn_golden_[a-z0-9_]*' "$golden"); do
  "$here/../../scripts/fast_path" "$1" "$symbol" | sed 's/ total=[0-9]*//'
done)
if [[ ${2:-} == --update ]]; then
  printf '%s\n' "$now" >"$golden"
else
  diff <(cat "$golden") <(printf '%s\n' "$now") || {
    echo "compare.sh: a fast path is not what fast_paths.golden says (expected on the left)" >&2
    exit 1
  }
fi
