#!/usr/bin/env bash
# Compares `whydenied check` with apparmor_parser compiling the same made-up
# collection of profiles. docs/performance.md has results.
#
#   testdata/bench-check.sh [PROFILES]        default 2000
#
# Prints the best of RUNS (default 3) of either, taken in turns so that both see
# the same machine. Exits 1 if whydenied takes more CPU time. PARSER names another
# apparmor_parser than that of the system.
set -euo pipefail
cd "$(dirname "$0")/.."
profiles=${1:-2000}
runs=${RUNS:-3}
parser=${PARSER:-apparmor_parser}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

go build -o "$tmp/whydenied" ./cmd/whydenied
go build -o "$tmp/policygen" ./testdata/policygen
go build -o "$tmp/measure" ./testdata/measure
"$tmp/policygen" -profiles "$profiles" "$tmp/policy"

# once CLASS COMMAND... appends "cpu-seconds seconds KiB" to $tmp/CLASS.
once() {
  local class=$1 seconds cpu kib status
  shift
  read -r seconds cpu kib status < <("$tmp/measure" "$@" 2>&1 >"$tmp/out" | tail -n 1)
  if [ "$status" != 0 ]; then
    echo "bench-check: exit status $status: $*" >&2
    exit 1
  fi
  echo "$cpu $seconds $kib" >>"$tmp/$class"
}
for _ in $(seq "$runs"); do
  once check "$tmp/whydenied" check --profile-dir "$tmp/policy" "$tmp/policy"
  once parser "$parser" -QKS -b "$tmp/policy" -I "$tmp/policy" "$tmp"/policy/p[0-9]*
done

best() { sort -n "$tmp/$1" | head -n 1; }
read -r check_cpu check_s check_kib < <(best check)
read -r parser_cpu parser_s parser_kib < <(best parser)
printf '%-24s %8s %8s %10s\n' "$profiles profiles" CPU seconds 'peak KiB' \
  'whydenied check' "$check_cpu" "$check_s" "$check_kib" \
  'apparmor_parser -QKS' "$parser_cpu" "$parser_s" "$parser_kib"
awk -v c="$check_cpu" -v p="$parser_cpu" 'BEGIN { printf "%.3f times its CPU time (at most 1)\n", c/p; exit !(c <= p) }'
