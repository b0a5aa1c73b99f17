#!/usr/bin/env bash
# Takes other people's clients through the simulators: run.sh SIMULATORS [SUITE…]
#
# SIMULATORS is the binary that serves them. Each suite has simulators of its own, on free ports, over http and TLS.
# Every suite runs, and what failed is told in full; the exit code says whether all passed.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
simulators=${1:?usage: run.sh SIMULATORS [SUITE…]}
shift
suites=("$@")
if ((${#suites[@]} == 0)); then suites=(pysnc pysnow aiosnow simple_salesforce jsforce cassettes); fi

clients=$("$here/install.sh")
work=$(mktemp -d)
server=
stop() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    server=
}
trap 'stop; rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start: fresh simulators, and their addresses in the environment.
start() {
    : >"$work/addresses"
    "$simulators" --seed quickstart --tls-ca-out "$work/ca.pem" >"$work/addresses" 2>"$work/simulators.log" &
    server=$!
    local tries=0
    until grep -q '^ServiceNow' "$work/addresses"; do
        if ! kill -0 "$server" 2>/dev/null || ((++tries > 600)); then
            cat "$work/simulators.log" >&2
            echo 'conformance: the simulators did not start' >&2
            exit 1
        fi
        sleep 0.05
    done
    read -r _ SALESFORCE_HTTP SALESFORCE_HTTPS < <(grep '^Salesforce' "$work/addresses")
    read -r _ SERVICENOW_HTTP SERVICENOW_HTTPS < <(grep '^ServiceNow' "$work/addresses")
    export SALESFORCE_HTTP SALESFORCE_HTTPS SERVICENOW_HTTP SERVICENOW_HTTPS
}

python_suite() { # python_suite ENVIRONMENT SUITE
    "$clients/$1/bin/python" -m unittest discover --start-directory "$here/python" --pattern "test_$2*.py"
}

run() { # run SUITE, under the environment that its client needs
    # Where these name other authorities, they silently win over what a test passes to its client.
    export REQUESTS_CA_BUNDLE=$work/ca.pem SSL_CERT_FILE=$work/ca.pem CURL_CA_BUNDLE=$work/ca.pem
    export NODE_EXTRA_CA_CERTS=$work/ca.pem
    unset SSL_CERT_DIR
    # Nothing here leaves the machine.
    export NO_PROXY='*' no_proxy='*'
    export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore CASSETTES=$clients/cassettes
    case $1 in
    pysnc | simple_salesforce | cassettes) python_suite pysnc "$1" ;;
    pysnow | aiosnow) python_suite pysnow "$1" ;;
    jsforce)
        NODE_PATH=$clients/javascript/node_modules NODE_NO_WARNINGS=1 \
            node --test --test-concurrency=1 --test-reporter=tap "$here"/javascript/*.test.js
        ;;
    *)
        echo "no suite is called $1" >&2
        return 1
        ;;
    esac
}

# version SUITE: what its client calls itself.
version() {
    local package=${1/_/-}
    case $1 in
    jsforce) sed -n 's/.*"jsforce": "\(.*\)".*/\1/p' "$here/javascript/package.json" ;;
    cassettes) sed -n 's/^cumulusci==/of CumulusCI /p' "$here/python/requirements-cassettes.txt" ;;
    *) sed -n "s/^$package==//p" "$here"/python/requirements-py*.txt | head -n 1 ;;
    esac
}

failed=()
for suite in "${suites[@]}"; do
    printf 'conformance: %s %s … ' "${suite/_/-}" "$(version "$suite")"
    start
    began=$SECONDS
    if (run "$suite") >"$work/log" 2>&1; then
        # unittest says "Ran 12 tests", node "# tests 12".
        count=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p; s/^# tests \([0-9]*\)/\1/p' "$work/log" | tail -n 1)
        printf '%s tests passed in %s s\n' "$count" "$((SECONDS - began))"
        if [[ ${count:-0} == 0 ]]; then failed+=("$suite (no tests)"); fi
    else
        printf 'FAILED\n'
        cat "$work/log"
        failed+=("$suite")
    fi
    stop
done
if ((${#failed[@]} > 0)); then
    printf 'conformance: failed: %s\n' "${failed[*]}" >&2
    exit 1
fi
