#!/usr/bin/env bash
# Sees to it that GDAL's ogrinfo is on this machine, for the tests to read exported maps as QGIS does.
set -euo pipefail
command -v ogrinfo >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "test: installing gdal-bin"
{ "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends gdal-bin; } >/dev/null 2>&1 || {
  echo "test: GDAL is needed for the tests of maps; run: sudo apt-get install gdal-bin" >&2
  exit 1
}
