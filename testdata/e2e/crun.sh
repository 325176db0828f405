#!/bin/sh
# Runs the crun of a Debian that newer.sh built, on the bundle in the current folder:
#
#	crun.sh DEBIAN ARGS...
#
# It has a mount namespace of its own, where there are cgroups of version 2 alone: crun
# takes no hybrid ones.
exec unshare --mount sh -eu -c '
	root=$0 bundle=$PWD
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t cgroup2 none "$root/sys/fs/cgroup"
	mount --bind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	mount --bind "$bundle" "$root/bundle"
	exec chroot "$root" sh -c "cd /bundle && exec crun --cgroup-manager=disabled \"\$@\"" crun "$@"' "$@"
