#!/usr/bin/env bash
# Compares `whydenied explain` with grep over the same generated logs: an audit log, the
# same as the kernel's syslog and as the journal's JSON has it, one of 8,000 distinct
# accesses, one of ten times the lines, and ones in which every denial is distinct.
# docs/performance.md has results.
#
#   testdata/bench.sh [LINES]        default 1000000; needs about 2.3 GB in TMPDIR
#
# Prints the best of RUNS (default 5) of either, taken in turns so that both see
# the same machine, and CPU time, which other work on it disturbs least. Exits 1 if
# memory exceeds 100 MB where what is found is bounded.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${1:-1000000}
runs=${RUNS:-5}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

go build -o "$tmp/whydenied" ./cmd/whydenied
go build -o "$tmp/loggen" ./testdata/loggen
go build -o "$tmp/measure" ./testdata/measure
printf '%d CPUs, load %s\n' "$(getconf _NPROCESSORS_ONLN)" "$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || echo unknown)"
printf '%-28s %8s %8s %8s %8s %10s %6s %6s\n' '' 'grep' CPU explain CPU 'peak KiB' wall CPU

# once CLASS EXIT COMMAND... appends "cpu-seconds seconds KiB" to $tmp/CLASS.
once() {
  local class=$1 want=$2 seconds cpu kib status
  shift 2
  read -r seconds cpu kib status < <("$tmp/measure" "$@" 2>&1 >"$tmp/out" | tail -n 1)
  if [ "$status" != "$want" ]; then
    echo "bench: exit status $status instead of $want: $*" >&2
    exit 1
  fi
  echo "$cpu $seconds $kib" >>"$tmp/$class"
}
best() { sort -n "$tmp/$1" | head -n 1; }

# compare NAME RUNS BOUND ARG... makes a log with loggen, and measures both on it in turns.
# BOUND is the memory in KiB that is too much, 0 for any.
compare() {
  local name=$1 times=$2 bound=$3 g_cpu g_s g_kib e_cpu e_s e_kib
  shift 3
  "$tmp/loggen" "$@" >"$tmp/log" # into the page cache
  rm -f "$tmp/grep" "$tmp/explain"
  for _ in $(seq "$times"); do
    once grep 0 grep -c -e apparmor= -e type=SECCOMP -e type=1326 "$tmp/log"
    once explain 3 "$tmp/whydenied" explain --format json "$tmp/log"
  done
  read -r g_cpu g_s g_kib < <(best grep)
  read -r e_cpu e_s e_kib < <(best explain)
  printf '%-28s %8s %8s %8s %8s %10s %6s %6s\n' "$name" "$g_s" "$g_cpu" "$e_s" "$e_cpu" "$e_kib" \
    "$(awk "BEGIN{printf \"%.2f\", $e_s/$g_s}")" "$(awk "BEGIN{printf \"%.2f\", $e_cpu/$g_cpu}")"
  [ "$bound" = 0 ] || [ "$e_kib" -lt "$bound" ]
}

compare "audit.log" "$runs" 102400 -lines "$lines"

compare "syslog" "$runs" 102400 -lines "$lines" -shape syslog
compare "journal JSON" "$runs" 102400 -lines "$lines" -shape json
compare "8,000 distinct" "$runs" 0 -lines "$lines" -distinct 8000
for times in 1 2 4; do
  compare "all distinct, x$times" 1 0 -lines "$((lines * times))" -distinct 0
done
compare "audit.log, x10" 1 102400 -lines "$((lines * 10))"
