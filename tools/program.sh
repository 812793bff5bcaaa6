#!/usr/bin/env bash
# program.sh PROGRAM PACKAGE TESTS: sees to it that a program of a Debian package is on this machine, and says which tests need it.
set -euo pipefail
command -v "$1" >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing $2"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$2"; } >/dev/null 2>&1 || {
  echo "test: $2 is needed for the $3; run: sudo apt-get install $2" >&2
  exit 1
}
