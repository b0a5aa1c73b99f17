#!/usr/bin/env bash
# Installs the clients that the simulators are tried with, unmodified and from their registries, and prints the folder
# that holds them, alone on stdout. Progress and errors go to stderr.
#
# The folder is in our cache, ${XDG_CACHE_HOME:-$HOME/.cache}/syncflow/conformance/<digest of the pins>/:
#   pysnc/         a Python environment with PySNC and simple-salesforce
#   pysnow/        another with pysnow and aiosnow, which need older libraries
#   javascript/    node_modules with jsforce
#   cassettes/     CumulusCI's wheel, unpacked, for the recorded answers in its tests
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cache_root=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/syncflow/conformance

say() { printf 'conformance: %s\n' "$*" >&2; }

missing=()
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
    missing+=('Python 3.9 or later with its venv module (Debian: python3 python3-venv)')
{ command -v npm && node -e 'process.exit(Number(process.versions.node.split(".")[0] < 18))'; } >/dev/null 2>&1 ||
    missing+=('Node.js 18 or later with npm (Debian: nodejs npm)')
if ((${#missing[@]} > 0)); then
    say 'other people'\''s clients cannot be installed here. Missing:'
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
fi

digest() { # of stdin, in a few characters; each system has one of the three
    if command -v sha256sum >/dev/null; then
        sha256sum
    elif command -v shasum >/dev/null; then
        shasum -a 256
    else
        cksum
    fi | cut -c1-12 | tr -d ' '
}

pins=$( (cat "$here"/python/requirements-*.txt "$here"/javascript/package*.json "${BASH_SOURCE[0]}" &&
    python3 --version && node --version && uname -sm) | digest)
folder=$cache_root/$pins
if [[ -e $folder/complete ]]; then
    printf '%s\n' "$folder"
    exit 0
fi

mkdir -p "$folder"
if command -v flock >/dev/null; then
    exec 9>"$folder/.lock"
    flock 9
    if [[ -e $folder/complete ]]; then
        printf '%s\n' "$folder"
        exit 0
    fi
fi

quietly() { # quietly WHAT COMMAND…: what it said is shown only when it fails
    local log=$folder/install.log
    say "$1…"
    shift
    if ! "$@" >"$log" 2>&1 9>&-; then
        tail -n 30 "$log" >&2
        say 'that failed; is the package registry reachable?'
        return 1
    fi
}

# An environment stands where it was made: its paths are absolute.
environment() { # environment NAME
    rm -rf -- "${folder:?}/$1"
    python3 -m venv "$folder/$1"
    # Everything is pinned, so there is nothing to resolve.
    "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --requirement "$here/python/requirements-$1.txt"
}

quietly 'installing PySNC and simple-salesforce' environment pysnc
quietly 'installing pysnow and aiosnow' environment pysnow

rm -rf -- "$folder/javascript"
mkdir "$folder/javascript"
cp "$here"/javascript/package.json "$here"/javascript/package-lock.json "$folder/javascript/"
quietly 'installing jsforce' npm ci --prefix "$folder/javascript" --ignore-scripts --no-audit --no-fund --loglevel=error

rm -rf -- "$folder/cassettes" "$folder/wheel"
quietly 'fetching the recorded answers in CumulusCI' "$folder/pysnc/bin/python" -m pip download --quiet \
    --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder/wheel" \
    --requirement "$here/python/requirements-cassettes.txt"
"$folder/pysnc/bin/python" -m zipfile -e "$folder"/wheel/*.whl "$folder/cassettes"

touch "$folder/complete"
say "ready in $folder"
printf '%s\n' "$folder"
