#!/bin/sh
# The locked versions, with hashes: requirements.lock is what the program needs at run time,
# requirements-test.lock what its tests need besides (the same versions of the rest). Needs uv.
set -eu
cd "$(dirname "$0")/.."
lock() { uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes -q "$@"; }
lock --no-annotate --no-header -o requirements.lock
lock --no-annotate --no-header -c requirements.lock --extra dev --extra spark -o requirements-test.lock
