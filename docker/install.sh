#!/usr/bin/env bash
# Installs what Segue runs on: `make` and the image use this one script.
#
#   install.sh python VENV LOCK editable   VENV from requirements/LOCK.txt, and this tree as it is
#   install.sh python VENV LOCK wheel      the same, with a wheel built from this tree
#   install.sh python VENV LOCK none       the locked packages only
#   install.sh redis                       redis-server, if there is none on PATH
#   install.sh kafka                       Kafka's jars by Maven, into .segue/kafka-libs
#
# Every package is checked against the hash in its lock. PYTHON names an interpreter (3.11 or newer);
# TORCH_INDEX, an extra package index, is where images find CPU builds of torch; TOOLS_VENV is where
# the installer goes when it shall not be in VENV.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { # one sentence, and what to do
    printf 'segue: %s\n  %s\n' "$1" "$2" >&2
    exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { # run a command; when it fails show the end of what it said
    "$@" >"$log" 2>&1 && return
    tail -n 5 "$log" >&2
    return 1
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        # It must run: the shims of a version manager exist for versions that are not installed.
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed${PYTHON:+, and PYTHON=$PYTHON is not one}" \
        "install one (Debian 12: apt-get install python3 python3-venv), or set PYTHON to its path"
}

make_venv() { # an environment with pip in it
    local python
    if [ ! -x "$1/bin/python" ]; then
        python=$(find_python)
        quietly "$python" -m venv "$1" ||
            die "$python cannot make a virtual environment" \
                "install its venv module (Debian: apt-get install python3-venv)"
    fi
    "$1/bin/python" -m pip --version >/dev/null 2>&1 || quietly "$1/bin/python" -m ensurepip ||
        die "there is no pip for $1" "remove $1 and try again"
}

unreachable() {
    die "$1 could not be installed" \
        "check the network (behind a proxy set HTTPS_PROXY; a mirror: PIP_INDEX_URL and UV_DEFAULT_INDEX)"
}

install_python() {
    local venv=$1 lock=requirements/$2.txt project=$3 tools=${TOOLS_VENV:-$1}
    make_venv "$venv"
    make_venv "$tools"
    quietly "$tools/bin/python" -m pip install --quiet --require-hashes -r requirements/tools.txt ||
        unreachable "the installer uv"
    local uv=("$tools/bin/uv" pip install --quiet --python "$venv/bin/python")
    quietly "${uv[@]}" --require-hashes ${TORCH_INDEX:+--index "$TORCH_INDEX"} -r "$lock" ||
        unreachable "the packages of $lock"
    case $project in
    editable) quietly "${uv[@]}" --no-deps --no-build-isolation --editable . ;;
    wheel)
        rm -rf "$tools/dist"
        quietly "$tools/bin/python" -m hatchling build -t wheel -d "$tools/dist" &&
            quietly "${uv[@]}" --no-deps "$tools"/dist/*.whl
        ;;
    none) ;;
    *) die "unknown way to install: $project" "editable, wheel or none" ;;
    esac || die "Segue itself could not be installed" "see the lines above"
}

install_redis() {
    command -v redis-server >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing redis-server by apt-get"
        export DEBIAN_FRONTEND=noninteractive
        # Where systemd runs, the package starts a server of its own on 127.0.0.1:6379. Ours is
        # another one, on another port; we leave that alone.
        quietly apt-get update && quietly apt-get install -y --no-install-recommends redis-server &&
            return
        die "apt-get could not install redis-server" "check the network and the package sources"
    fi
    die "there is no redis-server on PATH" \
        "install it (Debian: sudo apt-get install redis-server; macOS: brew install redis)"
}

case ${1:-} in
python) install_python "$2" "$3" "$4" ;;
redis) install_redis ;;
kafka) .venv/bin/python -m segue.local ;;
*) die "unknown: ${1:-nothing}" "see the head of $0" ;;
esac
