#!/bin/sh
# One submission under the proposed and the final rule of 2020, and why they differ.
set -eu
finalrule=$1
cd "$(dirname "$0")/.."
say() { printf '\n$ finalrule %s\n\n' "$*"; "$finalrule" "$@"; }

say score examples/2020/submission.json --facts examples/2020/clinician.json \
  --policy 2020-proposed,2020-final
say explain examples/2020/submission.json --facts examples/2020/clinician.json \
  --policy 2020-proposed,2020-final --outcome bonuses.complex_patient --depth 0
