#!/bin/bash
# Builds the guest of the lab: a Debian system with a kernel that has AppArmor.
#
#	KERNEL=6.1 build.sh     Debian 12: Linux 6.1, AppArmor 3.0 (the default)
#	KERNEL=6.12 build.sh    Debian 13: Linux 6.12, AppArmor 4.1
#	KERNEL=7.2 build.sh     Debian unstable: Linux 7.2, AppArmor 5.0
#	PROGRAMS=all build.sh   a guest of its own with the servers and more that take long to install
#	PROGRAMS=runtimes build.sh   another with systemd and what runs containers
#
# It is kept in ~/.cache/whydenied/lab/$KERNEL (or $KERNEL-$PROGRAMS) and built again when one of the
# files that it is built from has changed. It needs root, apt and about 8 GB; what
# else it needs is installed. Nothing of the project is in the guest: boot.sh
# brings that along.
#
# Unstable moves, and a mirror has of each package only the newest. So there is no
# pinning to older ones: what is another than that of docs/evidence-$KERNEL.md, or not there any
# more, is said, and the guest is built with what there is.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
KERNEL=${KERNEL:-6.1}
case $KERNEL in
6.1) suite=bookworm docker=docker.io ;;
6.12) suite=trixie docker="docker.io docker-cli" ;;
7.2) suite=sid docker="docker.io docker-cli" ;;
*) echo "build.sh: no guest has kernel $KERNEL; there are 6.1, 6.12 and 7.2" >&2; exit 2 ;;
esac
# What scenarios run besides.
programs="cron dnsmasq-base git gpg gpg-agent haproxy logrotate memcached nginx-light php-cli python3 redis-server rsync rsyslog unbound"
runtimes="buildah conmon crun dbus dbus-user-session fuse-overlayfs incus libpam-systemd lxc lxcfs podman python3 slirp4netns squashfs-tools systemd systemd-container systemd-sysv uidmap"
[ "${PROGRAMS:-}" != runtimes ] || programs=$runtimes
[ "${PROGRAMS:-}" != all ] || programs="$programs apache2 bind9 chrony dovecot-imapd mariadb-server nodejs openssh-server postfix sqlite3 tcpdump vsftpd"
lab=${XDG_CACHE_HOME:-$HOME/.cache}/whydenied/lab/$KERNEL${PROGRAMS:+-$PROGRAMS}

inputs=$(cat build.sh guest/{initrd,kernel,provision,nginx-image} | sha256sum)
[ "$(cat "$lab/built" 2>/dev/null)" != "$inputs" ] || exit 0
rm -rf "$lab"
mkdir -p "$lab"
log() { echo "lab $KERNEL, ${SECONDS} s: $*" >&2; }

log "what this host needs"
export DEBIAN_FRONTEND=noninteractive
needs=(mmdebstrap debian-archive-keyring qemu-system-x86 e2fsprogs cpio kmod xz-utils zstd gcc libc6-dev)
if ! dpkg-query -W "${needs[@]}" >/dev/null 2>&1; then
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${needs[@]}" >/dev/null
fi

# The mirror that this host's own apt is set up with.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
[ -n "$mirror" ] || { echo "build.sh: apt knows no Debian archive; add one to its sources" >&2; exit 1; }
# A mirror may be older than the suite says that it should be. A package that the suite does
# not have is no error of apt where it is named by a pattern.
debian() { # PACKAGES TARGET [OPTION...]
	mmdebstrap --variant=minbase $(printf -- '--include=?exact-name(%s) ' $1) "${@:3}" \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$2" "$mirror" >"$lab/mmdebstrap.log" 2>&1 ||
		{ tail "$lab/mmdebstrap.log" >&2; log "no tree of Debian $suite: $(grep -m 1 '^E: ' "$lab/mmdebstrap.log")"; exit 1; }
}

log "the tree of the nginx image"
debian nginx-light "$lab/nginx.tar" --customize-hook="$here/guest/nginx-image"

log "the tree of the guest"
packages="apparmor apparmor-profiles auditd $docker containerd runc libseccomp2 busybox-static iproute2 kmod procps $programs"
debian "$packages" "$lab/root" --customize-hook="$here/guest/kernel"
mkdir "$lab/root/lab" "$lab/root/images"
mv "$lab/nginx.tar" "$lab/root/images"
version=$(ls "$lab/root/usr/lib/modules")
installed=$(dpkg-query --admindir="$lab/root/var/lib/dpkg" -W -f '${db:Status-Status} ${Package} ${Version}\n' $packages 2>/dev/null | sed -n 's/^installed //p' || true)
for package in $packages; do
	grep -q "^$package " <<<"$installed" || log "Debian $suite has no $package: going on without it"
done
evidence=docs/evidence$([ "$KERNEL" = 6.1 ] || echo "-$KERNEL").md
others=$(while read -r package; do grep -sqF "$package" "../../$evidence" || echo -n " $package;"; done <<<"Linux $version"$'\n'"$installed")
[ -z "$others" ] || log "other versions than in $evidence:$others"
paste -s -d , <<<"$installed" | sed 's/,/, /g' >"$lab/root/packages" # for the evidence
depmod -b "$lab/root" "$version"
mv "$lab/root/vmlinuz" "$lab/vmlinuz"

log "initramfs and disk"
mkdir -p "$lab"/initrd/{bin,dev,proc,mnt,modules}
cp "$lab/root/usr/bin/busybox" "$lab/initrd/bin/busybox"
install guest/initrd "$lab/initrd/init"
n=10
# Newer kernels have no module for crc32c. One that is missing all the same does not boot.
{ modprobe -q -d "$lab/root" -S "$version" -a --show-depends virtio_pci virtio_blk crc32c_generic ext4 || true; } |
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
	case $module in
	*.xz) xz -dc "$module" ;;
	*.zst) zstd -dc "$module" ;;
	*) cat "$module" ;;
	esac >"$lab/initrd/modules/$((n++)).ko"
done
(cd "$lab/initrd" && find . | cpio --quiet -o -H newc) | gzip -1 >"$lab/initrd.gz"
truncate -s 6G "$lab/disk"
mkfs.ext4 -q -F -m0 -E lazy_itable_init=1,lazy_journal_init=1 -d "$lab/root" "$lab/disk"
rm -rf "$lab/root" "$lab/initrd"

log "the container images, in the guest"
in=$(mktemp -d)
trap 'rm -rf "$in"' EXIT
install guest/provision "$in/run"
KEEP=1 ./boot.sh "$in" "$lab/provision" ||
	{ cat "$lab/provision/output" >&2; log "the new guest fails: $(tail -n 1 "$lab/provision/output" "$lab/provision/console" 2>/dev/null | tail -n 1)"; exit 1; }
echo "$inputs" >"$lab/built"
log "built"
