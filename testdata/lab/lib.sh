# What the workloads of the scenarios share. Sourced in the guest before each.

# fixtures makes the files that the workloads touch anew.
fixtures() {
	rm -rf /srv/lab /srv/volume
	mkdir -p /srv/lab/d /srv/lab/mnt /srv/volume /srv/labbin
	cd /srv/lab || return
	umask 0
	for f in r w rw a c k l o s t u deadbeef 'name with space' 'quo"te' $'t\tab' $'new\nline' 'gl*b' '{a,b}' '@{HOME}'; do echo "$f" >"$f"; done
	umask 022
	chown 1000:1000 o
	[ -e /srv/labbin/tool ] || cp /usr/local/bin/aaop /srv/labbin/tool
	cd /
}

# As user 1000, without capabilities.
as_user() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }

# drun ARG... is docker run, with the scenario's seccomp profile if it has one.
drun() {
	timeout -k 5 60 docker run --rm --name lab --network none ${SECCOMP:+--security-opt "seccomp=$SECCOMP"} "$@"
}

# serves ARG... starts a container with the arguments of docker run, asks it for a
# page over HTTP and stops it.
serves() {
	local ip status=1 end=$((SECONDS + 30))
	timeout -k 5 60 docker run -d --name lab ${SECCOMP:+--security-opt "seccomp=$SECCOMP"} "$@" >/dev/null || return
	ip=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' lab)
	while [ $SECONDS -lt $end ]; do
		timeout 3 busybox wget -q -O /dev/null "http://$ip/" 2>/dev/null && status=0 && break
		[ "$(docker inspect -f '{{.State.Running}}' lab)" = true ] || break
		sleep 0.3
	done
	docker logs lab 2>&1 | tail -n 5
	timeout 20 docker stop -t 5 lab >/dev/null || status=1
	return $status
}

# bundle PROFILE ARG... makes an OCI bundle /run/bundle with busybox that runs ARG... under
# an AppArmor profile, and runs it with runc.
bundle() {
	local profile=$1 args
	shift
	rm -rf /run/bundle
	mkdir -p /run/bundle/rootfs/{bin,etc,proc,dev,tmp}
	cp /usr/bin/busybox /run/bundle/rootfs/bin/busybox
	cp /usr/bin/busybox /run/bundle/rootfs/bin/true
	echo root >/run/bundle/rootfs/etc/shadow
	args=$(printf ',"%s"' "$@")
	cat >/run/bundle/config.json <<-JSON
		{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "lab",
		 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": [${args#,}],
		  "apparmorProfile": "$profile"},
		 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
		  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}],
		 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]}}
	JSON
	(cd /run/bundle && timeout 60 runc run lab)
}

# remove removes the container. One whose filter killed a thread of its runtime, as newer ones of runc
# make calls under it themselves, never starts, and dockerd waits for it as long as that process is there.
remove() {
	timeout 20 docker rm -f lab >/dev/null 2>&1
	[ $? = 124 ] || return 0
	pkill -KILL '^runc:'
	timeout 60 docker rm -f lab >/dev/null 2>&1
}

# cleanup removes what a workload may have left, containers that cannot be killed
# under their profile included.
cleanup() {
	[ -z "$PROFILE" ] || apparmor_parser -R "$PROFILE" 2>/dev/null
	[ -z "$DOCKER" ] || remove
	! [ -d /run/runc/lab ] || runc delete -f lab
	echo -n normal >/sys/module/apparmor/parameters/audit
}
