#!/bin/sh
# Before removing, not before upgrading: dpkg says remove or upgrade, rpm 0 or 1.
set -e
case "${1-}" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now whydenied.service || true
fi
if [ -e /sys/kernel/security/apparmor/profiles ] && command -v apparmor_parser >/dev/null && [ -e /etc/apparmor.d/whydenied-watch ]; then
	apparmor_parser -R /etc/apparmor.d/whydenied-watch || true
fi
