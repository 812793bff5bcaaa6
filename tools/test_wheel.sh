#!/usr/bin/env bash
# The test suite against the built wheel, in a folder without the source tree: what a user installs must be complete.
#   tools/test_wheel.sh [pytest's arguments]     default: all tests but those about the source tree itself
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
folder=$(mktemp -d -t cobalt-wheel-XXXXXX)
trap 'rm -rf "$folder"' EXIT

"$python" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -w "$folder" "$root"
"$python" -m venv --without-pip "$folder/venv"
site=$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The packages of .venv, without what its .pth files add: that is this source tree.
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/dependencies.pth"
"$python" -m pip --python "$folder/venv/bin/python" install -q --disable-pip-version-check --no-deps --no-index \
    "$folder"/*.whl
for program in celery; do
    sed "1s|.*|#!$folder/venv/bin/python|" "$root/.venv/bin/$program" > "$folder/venv/bin/$program"
    chmod +x "$folder/venv/bin/$program"
done

# Everything but the code: tests read the documentation, the locks and the tools too.
mkdir "$folder/empty"
cp -r "$root"/{tests,docs,tools,benchmarks,Makefile,pyproject.toml,docker-compose.yml,*.md,*.lock} "$folder/empty"
cd "$folder/empty"
"$folder/venv/bin/python" -c 'import cobalt_tasks, sys; sys.exit(not cobalt_tasks.__file__.startswith(sys.prefix))' ||
    { echo "cobalt_tasks is not that of the wheel" >&2; exit 1; }
"$folder/venv/bin/python" -m pytest -m "not source" -p no:cacheprovider "$@"
