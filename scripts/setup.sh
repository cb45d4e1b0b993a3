#!/bin/sh
# A virtual environment in .venv with what finalrule needs at run time. On a bare Debian machine it
# first installs what durable-rules needs to be compiled (it comes as source only).
set -eu
PYTHON=${PYTHON:-python3}

missing=""
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v "$PYTHON" >/dev/null 2>&1 || missing="$missing python3"
if command -v "$PYTHON" >/dev/null 2>&1; then
  "$PYTHON" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
  header=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"] + "/Python.h")')
  [ -f "$header" ] || missing="$missing python3-dev"
else
  missing="$missing python3-venv python3-dev"
fi
if [ -n "$missing" ]; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing$missing" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
  else
    echo "finalrule needs these Debian packages:$missing (apt-get install$missing)" >&2
    exit 1
  fi
fi

"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "finalrule needs Python 3.11, 3.12 or 3.13; $PYTHON is $("$PYTHON" -V)" >&2
  exit 1
}
echo "setting up .venv" >&2
"$PYTHON" -m venv .venv
.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/pip install -q --disable-pip-version-check --no-deps -e .
touch .venv/installed
