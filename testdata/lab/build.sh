#!/bin/bash
# Builds the guest of the lab: a Debian system with a kernel that has AppArmor.
#
#	KERNEL=6.1 build.sh     Debian 12: Linux 6.1, AppArmor 3.0 (the default)
#	KERNEL=6.12 build.sh    Debian 13: Linux 6.12, AppArmor 4.1
#
# It is kept in ~/.cache/whydenied/lab/$KERNEL and built again when one of the
# files that it is built from has changed. It needs root, apt and about 8 GB; what
# else it needs is installed. Nothing of the project is in the guest: boot.sh
# brings that along.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
KERNEL=${KERNEL:-6.1}
case $KERNEL in
6.1) suite=bookworm docker=docker.io ;;
6.12) suite=trixie docker=docker.io,docker-cli ;;
*) echo "build.sh: no guest has kernel $KERNEL; there are 6.1 and 6.12" >&2; exit 2 ;;
esac
lab=${XDG_CACHE_HOME:-$HOME/.cache}/whydenied/lab/$KERNEL

inputs=$(cat build.sh guest/{initrd,provision,nginx-image} | sha256sum)
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
debian() { # PACKAGES TARGET [OPTION...]
	mmdebstrap --quiet --variant=minbase --include="$1" "${@:3}" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$2" "$mirror" >"$lab/mmdebstrap.log" 2>&1 ||
		{ tail "$lab/mmdebstrap.log" >&2; exit 1; }
}

log "the tree of the nginx image"
debian nginx-light "$lab/nginx.tar" --customize-hook="$here/guest/nginx-image"

log "the tree of the guest"
debian "apparmor,apparmor-profiles,auditd,$docker,runc,busybox-static,iproute2,kmod,procps" "$lab/root" \
	--customize-hook='chroot "$1" sh -ec "
		cd /tmp
		apt-get download -qq \$(apt-cache depends linux-image-cloud-amd64 | sed -n \"s/.*Depends: //p\" | head -n 1)
		dpkg --fsys-tarfile linux-image-*.deb | tar -C / -x --keep-directory-symlink
		rm linux-image-*.deb"'
mkdir "$lab/root/lab" "$lab/root/images"
mv "$lab/nginx.tar" "$lab/root/images"
version=$(ls "$lab/root/usr/lib/modules")
depmod -b "$lab/root" "$version"
mv "$lab/root/boot/vmlinuz-$version" "$lab/vmlinuz"

log "initramfs and disk"
mkdir -p "$lab"/initrd/{bin,dev,proc,mnt,modules}
cp "$lab/root/usr/bin/busybox" "$lab/initrd/bin/busybox"
install guest/initrd "$lab/initrd/init"
n=10
modprobe -d "$lab/root" -S "$version" -a --show-depends virtio_pci virtio_blk crc32c_generic ext4 |
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
KEEP=1 ./boot.sh "$in" "$lab/provision" || { cat "$lab/provision/output" >&2; exit 1; }
echo "$inputs" >"$lab/built"
log "built"
