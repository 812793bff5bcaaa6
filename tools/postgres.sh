#!/usr/bin/env bash
# Sees to it that PostgreSQL's server programs are on this machine, for the tests to start one of their own.
set -euo pipefail
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing postgresql"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends postgresql; } >/dev/null 2>&1 || {
  echo "test: PostgreSQL's server is needed for the tests; run: sudo apt-get install postgresql" >&2
  exit 1
}
