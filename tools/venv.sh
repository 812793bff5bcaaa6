#!/usr/bin/env bash
# Makes the virtual environment named by $1. Debian keeps ensurepip in a package of its own: it is installed when
# this runs as root (or sudo asks nothing), else the one command to run is printed.
set -euo pipefail
python=${PYTHON:-python3}
venv=$1

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup: Python 3.11 or newer is needed, $python is $("$python" --version 2>&1)" >&2
  exit 1
}
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  echo "setup: installing python3-venv"
  { "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq python3-venv; } >/dev/null 2>&1 || {
    echo "setup: this Python has no ensurepip; run: sudo apt-get install python3-venv" >&2
    exit 1
  }
fi
"$python" -m venv "$venv"
