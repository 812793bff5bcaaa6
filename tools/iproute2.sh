#!/usr/bin/env bash
# Sees to it that iproute2 is on this machine, for the tests to make network namespaces.
set -euo pipefail
command -v ip >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing iproute2"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends iproute2; } >/dev/null 2>&1 || {
  echo "test: iproute2 is needed for the tests that count packets; run: sudo apt-get install iproute2" >&2
  exit 1
}
