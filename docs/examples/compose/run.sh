#!/bin/sh
# Starts the services for a minute, and says what they are refused: findings, and one patch
# below patch/. Root, Docker, a kernel with AppArmor.
set -eu
cd "$(dirname "$0")"
apparmor_parser -r ../web/web.apparmor
whydenied run --profile ../web/web.apparmor --patch-dir patch -- timeout 60 docker compose up --abort-on-container-exit
