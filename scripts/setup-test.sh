#!/bin/sh
# What the tests need besides: their tools, Spark, which wants Java, and a browser for the report's
# page. Without Java or Chromium, and without the right to install them, their tests are skipped.
set -eu
echo "setting up what the tests need (of it Spark: 440 MB)" >&2
.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-test.lock

missing() {
  .venv/bin/python -c 'from finalrule.population.spark import unavailable; print(unavailable())'
}
packages=""
[ -z "$(missing)" ] || packages="default-jre-headless"
command -v chromium >/dev/null 2>&1 || packages="$packages chromium"
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing $packages" >&2
  apt-get update -qq || true
  for package in $packages; do
    DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
  done
fi
why=$(missing)
[ -z "$why" ] || echo "tests on Spark will be skipped: $why" >&2
command -v chromium >/dev/null 2>&1 ||
  echo "tests in a browser will be skipped: there is no chromium" >&2
touch .venv/tested
