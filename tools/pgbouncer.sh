#!/usr/bin/env bash
# Sees to it that PgBouncer is on this machine, for the tests to start one of their own.
set -euo pipefail
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing pgbouncer"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends pgbouncer; } >/dev/null 2>&1 || {
  echo "test: PgBouncer is needed for the tests; run: sudo apt-get install pgbouncer" >&2
  exit 1
}
