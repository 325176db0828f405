#!/bin/sh
# After installing or upgrading: the profile of the service is loaded anew, and systemd
# reads its unit. The service is neither started nor enabled.
set -e
if [ -e /sys/kernel/security/apparmor/profiles ] && command -v apparmor_parser >/dev/null; then
	apparmor_parser -r -T -W /etc/apparmor.d/whydenied-watch || true
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart whydenied.service || true
fi
