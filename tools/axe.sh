#!/usr/bin/env bash
# Fetches axe-core into .venv/axe, for the tests to check the page for people who cannot see it well.
#
# axe-core 4.12.1 is of Deque Systems, MPL-2.0; the package axe-playwright-python (MIT) carries it. It is not installed, for its
# module needs another driver of browsers: only the file axe.min.js is read, and only by tests.
set -euo pipefail
folder=.venv/axe
file=$folder/axe_playwright_python/axe.min.js
[ -e "$file" ] && grep -q -m 1 "axe v4.12.1" "$file" && exit 0
echo "test: fetching axe-core into $folder"
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --upgrade --target "$folder" -r /dev/stdin <<'LOCK'
axe-playwright-python==0.1.8 --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8
LOCK
