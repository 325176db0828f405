#!/bin/sh
# Builds what TestMatrix needs besides Debian 12, in a folder: Debian 13 with its crun and
# libseccomp. Root, debootstrap, and the network.
set -eu
dir=$1
debootstrap --variant=minbase --include=crun,libseccomp2 trixie "$dir.part" http://deb.debian.org/debian >/dev/null
mkdir -p "$dir.part/bundle"
mv "$dir.part" "$dir"
