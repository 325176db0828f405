#!/bin/sh
# Builds what TestMatrix needs besides Debian 12, in a folder: Debian 13 with its crun and
# libseccomp. Root, debootstrap, and the network.
set -eu
dir=$1
# The mirror that this host's own apt is set up with.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
debootstrap --variant=minbase --include=crun,libseccomp2 trixie "$dir.part" "$mirror" >/dev/null
mkdir -p "$dir.part/bundle"
mv "$dir.part" "$dir"
