#!/bin/sh
# Builds what the matrices need besides Debian 12, in a folder: Debian 13 with its container
# engines, crun and libseccomp, or another suite. Root, debootstrap, and the network.
#
#   newer.sh DIR [SUITE]
set -eu
dir=$1 suite=${2-trixie}
# The mirror that this host's own apt is set up with.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
debootstrap --variant=minbase --include=containerd,crun,docker.io,libseccomp2,podman "$suite" "$dir.part" "$mirror" >/dev/null
mv "$dir.part" "$dir"
