#!/bin/sh
# Runs the tests, and says what their containers are refused: findings, and one patch below
# patch/. Root, Docker, a kernel with AppArmor.
set -eu
cd "$(dirname "$0")"
apparmor_parser -r ../web/web.apparmor
whydenied run --profile ../web/web.apparmor --patch-dir patch -- go test -count=1 ./...
