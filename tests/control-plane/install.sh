#!/usr/bin/env bash
# Finds, fetches or builds the four programs of the test control plane (etcd, kube-apiserver, kube-controller-manager,
# kubectl) and prints the folder that holds them, alone on stdout. Progress and errors go to stderr.
#
# Tried in this order:
#   1. $KUBEBUILDER_ASSETS, if it holds etcd and kube-apiserver;
#   2. our cache, ${XDG_CACHE_HOME:-$HOME/.cache}/syncflow/control-plane/<version>/;
#   3. setup-envtest, if it is installed and its download answers;
#   4. `go build` from the pinned module beside this script, kept in our cache.
# What (1) and (3) do not bring (they carry no kube-controller-manager) comes from PATH or from (4).
set -euo pipefail

module_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cache_root=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/syncflow/control-plane
programs=(etcd kube-apiserver kube-controller-manager kubectl)

say() { printf 'control plane: %s\n' "$*" >&2; }

# The versions stand in go.mod and nowhere else.
pinned() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit }' "$module_dir/go.mod"; }
kubernetes_version=$(pinned k8s.io/kubernetes)
etcd_version=$(pinned go.etcd.io/etcd/server/v3)
if [[ -z $kubernetes_version || -z $etcd_version ]]; then
    say "cannot read the pinned versions from $module_dir/go.mod"
    exit 1
fi
kubernetes_minor=${kubernetes_version#v1.}
kubernetes_minor=${kubernetes_minor%%.*}

digest() { # of stdin, in a few characters; each system has one of the three
    if command -v sha256sum >/dev/null; then
        sha256sum
    elif command -v shasum >/dev/null; then
        shasum -a 256
    else
        cksum
    fi | cut -c1-12 | tr -d ' '
}

within() { # within SECONDS COMMAND…: run with a time limit where the system has the means
    local seconds=$1
    shift
    if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}

holds_all() {
    local program
    for program in "${programs[@]}"; do [[ -x $1/$program ]] || return 1; done
}

# --- building --------------------------------------------------------------------------------------------------------

go_command=
find_go() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go; do
        # Inside the module, Go refuses by itself when it is too old (or fetches the toolchain that go.mod asks for).
        if [[ -x $candidate ]] && (cd "$module_dir" && GOFLAGS='' GOWORK=off "$candidate" env GOVERSION) >/dev/null 2>&1; then
            go_command=$candidate
            return 0
        fi
    done
    return 1
}

build_pid=
work_dir=
cleanup() {
    if [[ -n $build_pid ]]; then kill "$build_pid" 2>/dev/null || true; fi
    if [[ -n $work_dir ]]; then rm -rf -- "$work_dir"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# go_build PROGRAM FOLDER NTH OF: one program, with a sign of life while it compiles.
go_build() {
    local program=$1 folder=$2 nth=$3 of=$4 package minutes started log
    case $program in
    etcd) package=go.etcd.io/etcd/server/v3 minutes='a minute' ;;
    kube-apiserver) package=k8s.io/kubernetes/cmd/kube-apiserver minutes='3 minutes' ;;
    kube-controller-manager) package=k8s.io/kubernetes/cmd/kube-controller-manager minutes='a minute' ;;
    kubectl) package=k8s.io/kubernetes/cmd/kubectl minutes='a minute' ;;
    esac
    say "building $program ($nth of $of), takes about $minutes on 2 cores when nothing is cached…"
    started=$SECONDS
    log=$folder/$program.log
    # Without the version flags kube-apiserver reports v0.0.0 and kubectl cannot parse it. No cgo: no C compiler needed,
    # and the programs do not depend on this machine's libc. Descriptor 9 is our lock; a build must not inherit it.
    local version_flags="-X k8s.io/component-base/version.gitVersion=$kubernetes_version"
    version_flags+=" -X k8s.io/component-base/version.gitMajor=1"
    version_flags+=" -X k8s.io/component-base/version.gitMinor=$kubernetes_minor"
    (
        cd "$module_dir"
        exec env CGO_ENABLED=0 GOFLAGS='' GOWORK=off GOOS='' GOARCH='' "$go_command" build -buildvcs=false -mod=readonly \
            -trimpath -ldflags "-s -w $version_flags" -o "$folder/$program" "$package"
    ) >"$log" 2>&1 9>&- &
    build_pid=$!
    local ticks=0
    while kill -0 "$build_pid" 2>/dev/null; do
        sleep 1
        ticks=$((ticks + 1))
        if ((ticks % 20 == 0)); then say "  … still building $program, $((SECONDS - started)) s"; fi
    done
    if ! wait "$build_pid"; then
        build_pid=
        say "go build of $program failed:"
        tail -n 30 "$log" >&2
        return 1
    fi
    build_pid=
    rm -f -- "$log"
    say "  $program built in $((SECONDS - started)) s"
}

# One installation at a time: the second waits and then finds the first one's work. Where the system has no flock(1)
# both build, each in a folder of its own, and the first to move its folder into place wins.
lock() {
    mkdir -p "$cache_root"
    command -v flock >/dev/null || return 0
    exec 9>"$cache_root/.lock"
    if ! flock -n 9; then
        say 'another installation is under way; waiting for it…'
        flock 9
    fi
    # With the lock held, a working folder that is still there was left by a build that was killed.
    rm -rf -- "$cache_root"/.building.*
}
unlock() { if command -v flock >/dev/null; then exec 9>&-; fi; }

# publish FOLDER: from the working folder to its final name in one step, so that nobody ever sees half of it.
publish() {
    local final=$1
    if holds_all "$final"; then return 0; fi
    rm -rf -- "$final"
    if ! mv -- "$work_dir" "$final" 2>/dev/null && ! holds_all "$final"; then
        say "cannot move the programs to $final"
        return 1
    fi
    work_dir=
}

# assemble SOURCE FINAL: link what SOURCE holds, take the rest from PATH (tools that fit the API server's version) or
# build it. SOURCE may be empty: then all is built.
assemble() {
    local source=$1 final=$2 program found nth=0
    local missing=()
    lock
    if holds_all "$final"; then
        unlock
        return 0
    fi
    work_dir=$(mktemp -d "$cache_root/.building.XXXXXX")
    for program in "${programs[@]}"; do
        if [[ -n $source && -x $source/$program ]]; then
            ln -s -- "$source/$program" "$work_dir/$program"
        elif [[ -n $source ]] && found=$(on_path "$program" "$source"); then
            ln -s -- "$found" "$work_dir/$program"
        else
            missing+=("$program")
        fi
    done
    if ((${#missing[@]} > 0)); then
        if ! find_go; then
            say "missing: ${missing[*]}."
            no_way_open
        fi
        if [[ -n $source && $(minor_of "$source/kube-apiserver" --version) != "$kubernetes_minor" ]]; then
            say "note: the API server in $source is not of the $kubernetes_version that completes it"
        fi
        say "using $("$go_command" version), downloading modules where needed"
        for program in "${missing[@]}"; do
            nth=$((nth + 1))
            go_build "$program" "$work_dir" "$nth" "${#missing[@]}" || return 1
        done
    fi
    publish "$final" || return 1
    unlock
}

minor_of() { "$@" 2>/dev/null | sed -n 's/.*v1\.\([0-9][0-9]*\)\..*/\1/p' | head -n 1; }

# on_path PROGRAM SOURCE: where PATH has it, if it is at most one minor version away from SOURCE's kube-apiserver.
on_path() {
    local program=$1 source=$2 found server own
    found=$(command -v "$program") || return 1
    server=$(minor_of "$source/kube-apiserver" --version)
    case $program in
    kubectl) own=$(minor_of "$found" version --client) ;;
    kube-controller-manager) own=$(minor_of "$found" --version) ;;
    *) return 1 ;;
    esac
    [[ -n $server && -n $own ]] && ((own >= server - 1 && own <= server + 1)) || return 1
    printf '%s\n' "$found"
}

no_way_open() {
    say "no control plane can be had here. One of these opens a way:
  - install Go 1.26 or later (https://go.dev/dl/), and Kubernetes $kubernetes_version is built from source, once, in about 6 minutes;
  - install setup-envtest (and kube-controller-manager on PATH), where its download is reachable;
  - set KUBEBUILDER_ASSETS to a folder that holds: ${programs[*]}."
    exit 1
}

# --- the four ways ---------------------------------------------------------------------------------------------------

# from_ready_made FOLDER: use it as it is when complete, else complete it in our cache.
from_ready_made() {
    local source final
    source=$(cd -- "$1" && pwd)
    if holds_all "$source"; then
        printf '%s\n' "$source"
        return 0
    fi
    final=$cache_root/with-$( (printf '%s\n' "$source" && "$source/kube-apiserver" --version && cat "$module_dir/go.sum") | digest)
    assemble "$source" "$final" && printf '%s\n' "$final"
}

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    if [[ -x $KUBEBUILDER_ASSETS/etcd && -x $KUBEBUILDER_ASSETS/kube-apiserver ]]; then
        from_ready_made "$KUBEBUILDER_ASSETS"
        exit 0
    fi
    say "KUBEBUILDER_ASSETS ($KUBEBUILDER_ASSETS) holds no etcd and kube-apiserver; going on without it"
fi

platform=$(uname -sm | tr '[:upper:] ' '[:lower:]-')
pins=$(cat "$module_dir/go.mod" "$module_dir/go.sum" | digest)
built=$cache_root/kubernetes-$kubernetes_version-etcd-$etcd_version-$platform-$pins
if holds_all "$built"; then
    printf '%s\n' "$built"
    exit 0
fi

if command -v setup-envtest >/dev/null; then
    envtest() { within 300 setup-envtest "$@" "1.$kubernetes_minor.x" --bin-dir "$cache_root/envtest" -p path 2>/dev/null; }
    # What it fetched before needs no network. Else asking for the list tells in seconds whether the site answers at all.
    assets=$(envtest use --installed-only) ||
        { within 15 setup-envtest list "1.$kubernetes_minor.x" >/dev/null 2>&1 && assets=$(envtest use); } || assets=
    if [[ -x $assets/etcd && -x $assets/kube-apiserver ]]; then
        from_ready_made "$assets"
        exit 0
    fi
    say 'setup-envtest cannot download here; building from source instead'
fi

find_go || no_way_open
assemble '' "$built"
say "ready in $built"
printf '%s\n' "$built"
