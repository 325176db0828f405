#!/bin/sh
# Runs a command in the current folder, with the programs of a Debian that newer.sh
# built, or of this machine, which is /:
#
#	enter.sh ROOT COMMAND...
#
# It has a mount namespace of its own, so that nothing stays behind: with a /run and /dev/shm for
# itself, and with cgroups of version 2 alone, as crun takes no hybrid ones.
exec unshare --mount --propagation private sh -eu -c '
	root=$0 here=$PWD
	if [ "$root" != / ]; then
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount -t sysfs sysfs "$root/sys"
		mount --bind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/tmp"
		mkdir -p "$root$here"
		mount --bind "$here" "$root$here"
	fi
	mount -t cgroup2 none "$root/sys/fs/cgroup"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs tmpfs "$root/dev/shm"
	exec chroot "$root" sh -c "cd \"\$0\" && exec \"\$@\"" "$here" "$@"' "$@"
