//go:build e2e && linux && amd64

package e2e

// recorded are refusals of hosts whose modules this machine does not have in force: what a
// program printed and the records that the host's log has of it, in the shape of public
// reports, with names and numbers of our own.
var recorded = []struct {
	layer, said, log string
	source           string
}{
	{"selinux", "ls: cannot access '/var/run/docker.sock': Permission denied",
		`type=AVC msg=audit(1795960961.101:41): avc:  denied  { getattr } for  pid=811 comm="ls" path="/run/docker.sock" dev="tmpfs" ino=12258 scontext=system_u:system_r:container_t:s0:c172,c937 tcontext=system_u:object_r:container_var_run_t:s0 tclass=sock_file permissive=0`,
		"moby/moby issue 10761, coreos/bugs issue 1472"},
	{"selinux", "Got permission denied while trying to connect to the Docker daemon socket at unix:///run/docker.sock: dial unix /run/docker.sock: connect: permission denied",
		`type=AVC msg=audit(1795960961.102:42): avc:  denied  { connectto } for  pid=812 comm="docker" path="/run/docker.sock" scontext=system_u:system_r:container_t:s0:c317,c949 tcontext=system_u:system_r:container_runtime_t:s0 tclass=unix_stream_socket permissive=0`,
		"ansible/ansible-container issue 494"},
	{"selinux", "Error relocating /lib/ld-musl-x86_64.so.1: RELRO protection failed: Permission denied",
		`type=AVC msg=audit(1795960961.103:43): avc:  denied  { read } for  pid=813 comm="date" path="/lib/ld-musl-x86_64.so.1" dev="vda1" ino=265972 scontext=system_u:system_r:container_t:s0:c196,c287 tcontext=unconfined_u:object_r:var_lib_t:s0 tclass=file permissive=0`,
		"podman-container-tools/podman issue 2025, containers/container-selinux issue 169"},
	{"selinux", `2026/11/29 14:02:41 [error] 31#31: *1 open() "/usr/share/nginx/html/index.html" failed (13: Permission denied), client: 10.0.0.1`,
		`type=AVC msg=audit(1795960961.104:44): avc:  denied  { read } for  pid=31 comm="nginx" name="index.html" dev="dm-0" ino=5 scontext=system_u:system_r:container_t:s0:c1,c2 tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0`,
		"containers/ansible-podman-collections issue 397"},
	{"selinux", "touch: cannot touch '/data/x': Permission denied",
		`type=AVC msg=audit(1795960961.105:45): avc:  denied  { write } for  pid=815 comm="touch" name="data" dev="dm-0" ino=50331746 scontext=system_u:system_r:container_t:s0:c168,c813 tcontext=unconfined_u:object_r:user_home_t:s0 tclass=dir permissive=0`,
		"podman-container-tools/podman issue 12428"},
	{"selinux", "PermissionError: [Errno 13] Permission denied: '/config/app.yaml'",
		`type=AVC msg=audit(1795960961.106:46): avc:  denied  { open } for  pid=816 comm="python3" path="/config/app.yaml" dev="dm-0" ino=77 scontext=system_u:system_r:container_t:s0:c1,c9 tcontext=system_u:object_r:etc_t:s0 tclass=file permissive=0`,
		"podman-container-tools/podman issue 13328"},
	{"selinux", "ls: cannot open directory '/mnt': Permission denied",
		`Nov 29 14:02:41 node kernel: audit: type=1400 audit(1795960961.107:47): avc:  denied  { read } for  pid=817 comm="ls" name="mnt" dev="nfs" ino=2 scontext=system_u:system_r:container_t:s0:c4,c8 tcontext=system_u:object_r:nfs_t:s0 tclass=dir permissive=0`,
		"coreos/bugs issue 1472"},
	{"selinux", "bash: /opt/tool: Permission denied",
		`Nov 29 14:02:41 node audit[818]: AVC avc:  denied  { execute } for  pid=818 comm="bash" name="tool" dev="dm-0" ino=9 scontext=system_u:system_r:container_t:s0:c4,c8 tcontext=system_u:object_r:usr_t:s0 tclass=file permissive=0`,
		"podman-container-tools/podman issue 2245"},
	{"selinux", "mkdir: cannot create directory '/var/lib/app/db': Permission denied",
		`type=AVC msg=audit(1795960961.109:49): avc:  denied  { add_name } for  pid=819 comm="mkdir" name="db" scontext=system_u:system_r:container_t:s0:c4,c8 tcontext=system_u:object_r:var_lib_t:s0 tclass=dir permissive=0`,
		"podman-container-tools/podman issue 13684"},
	{"integrity", "bash: /root/vol/bin/hello: Permission denied",
		`type=IPE_ACCESS msg=audit(1795960961.110:50): ipe_op=EXECUTE ipe_hook=BPRM_CHECK enforcing=1 pid=820 comm="bash" path="/root/vol/bin/hello" dev="tmpfs" ino=38 rule="DEFAULT op=EXECUTE action=DENY"`,
		"Documentation/admin-guide/LSM/ipe.rst of Linux"},
	{"integrity", "/srv/app: error while loading shared libraries: /deny/lib/libc.so.6: failed to map segment from shared object",
		`type=IPE_ACCESS msg=audit(1795960961.111:51): ipe_op=EXECUTE ipe_hook=MMAP enforcing=1 pid=821 comm="app" path="/deny/lib/libc.so.6" dev="sda2" ino=14549020 rule="DEFAULT action=DENY"`,
		"microsoft.github.io/ipe"},
}
