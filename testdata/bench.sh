#!/usr/bin/env bash
# Compares `whydenied explain` with grep over the same generated audit log, and
# looks at its memory on a log ten times as long. docs/performance.md has results.
#
#   testdata/bench.sh [LINES]        default 1000000; needs about 2.3 GB in TMPDIR
#
# Prints the best of RUNS (default 5) of either, taken in turns so that both see
# the same machine. Exits 1 if the ratio exceeds 2 or the memory 100 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${1:-1000000}
runs=${RUNS:-5}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

go build -o "$tmp/whydenied" ./cmd/whydenied
go build -o "$tmp/loggen" ./testdata/loggen
go build -o "$tmp/measure" ./testdata/measure
"$tmp/loggen" -lines "$lines" >"$tmp/log"
printf '%d lines, %d bytes, %d CPUs\n' "$lines" "$(wc -c <"$tmp/log")" "$(getconf _NPROCESSORS_ONLN)"

# once CLASS EXIT COMMAND... appends "seconds cpu-seconds KiB" to $tmp/CLASS.
once() {
  local class=$1 want=$2 seconds cpu kib status
  shift 2
  read -r seconds cpu kib status < <("$tmp/measure" "$@" 2>&1 >"$tmp/out" | tail -n 1)
  if [ "$status" != "$want" ]; then
    echo "bench: exit status $status instead of $want: $*" >&2
    exit 1
  fi
  echo "$seconds $cpu $kib" >>"$tmp/$class"
}
grep_once() { once grep 0 grep -c -e apparmor= -e type=SECCOMP "$tmp/log"; }
explain_once() { once "$1" 3 "$tmp/whydenied" explain --format json "$2"; }

cat "$tmp/log" >/dev/null # into the page cache
for _ in $(seq "$runs"); do
  grep_once
  explain_once explain "$tmp/log"
done

"$tmp/loggen" -lines "$((lines * 10))" >"$tmp/log10"
explain_once explain10 "$tmp/log10"

best() { sort -n "$tmp/$1" | head -n 1; }
read -r grep_s grep_cpu grep_kib < <(best grep)
read -r explain_s explain_cpu explain_kib < <(best explain)
read -r long_s long_cpu long_kib < <(best explain10)
printf '%-24s %8s %8s %10s\n' '' seconds CPU 'peak KiB' \
  'grep -c' "$grep_s" "$grep_cpu" "$grep_kib" \
  'explain --format json' "$explain_s" "$explain_cpu" "$explain_kib" \
  'the same, 10x the lines' "$long_s" "$long_cpu" "$long_kib"
awk -v g="$grep_s" -v e="$explain_s" -v k="$explain_kib" -v l="$long_kib" 'BEGIN {
  printf "ratio to grep %.2f (at most 2), peak memory %.0f MB, with 10x the lines %.0f MB (at most 100)\n", e/g, k/1024, l/1024
  exit !(e <= 2*g && k < 102400 && l < 102400)
}'
