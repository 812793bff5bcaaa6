#!/usr/bin/env bash
# Sees to it that libfaketime is on this machine, for the tests to step the clocks of processes.
set -euo pipefail
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || ls /usr/lib/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing faketime"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends faketime; } >/dev/null 2>&1 || {
  echo "test: libfaketime is needed for the tests of clocks; run: sudo apt-get install faketime" >&2
  exit 1
}
