#!/usr/bin/env bash
# Sees to it that Chromium is on this machine, for the tests to look at the page as people do.
set -euo pipefail
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing chromium"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || {
  echo "test: Chromium is needed for the tests of the page; run: sudo apt-get install chromium" >&2
  exit 1
}
