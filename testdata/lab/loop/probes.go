package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
)

// compare asks the patched policy and the known good one the same many accesses
// and notes those that only the patched one grants.
func (l *loop) compare(good string) {
	l.Compared = true
	requests := l.probes()
	l.Probes = len(requests)
	patched, err := l.ask(l.policy, requests)
	if err != nil {
		l.problem("query the patched policy: %v", err)
		return
	}
	needed, err := l.ask(good, requests)
	if err != nil {
		l.problem("query the fixed policy: %v", err)
		return
	}
	for i := range requests {
		if patched[i] && !needed[i] {
			l.Beyond = append(l.Beyond, string(requests[i]))
		}
	}
	if len(l.Beyond) > 0 {
		l.problem("%d of %d accesses granted beyond need: %s", len(l.Beyond), l.Probes, l.Beyond[0])
	}
}

// ask returns for each request whether the policy grants it.
func (l *loop) ask(policy string, requests [][]byte) ([]bool, error) {
	flag := "--profile"
	if l.seccomp {
		flag = "--seccomp"
	}
	cmd := exec.Command("whydenied", "query", flag, policy)
	cmd.Stdin = bytes.NewReader(bytes.Join(requests, []byte("\n")))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if status := exitStatus(err); status != 0 && status != 3 {
		return nil, fmt.Errorf("exit status %d: %s", status, firstLine(append(errs.Bytes(), firstError(out)...)))
	}
	var granted []bool
	for line := range bytes.Lines(out) {
		var answer struct{ Decision string }
		if err := json.Unmarshal(line, &answer); err != nil {
			return nil, err
		}
		granted = append(granted, answer.Decision == "granted")
	}
	if len(granted) != len(requests) {
		return nil, fmt.Errorf("%d answers to %d requests", len(granted), len(requests))
	}
	return granted, nil
}

func firstError(out []byte) []byte {
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte(`"error"`)) {
			return line
		}
	}
	return nil
}

// A probe is a request as whydenied query reads it.
type probe map[string]any

// probes are the accesses to ask about: around the names that the logs of the
// scenario speak of, and a fixed list of every class.
func (l *loop) probes() [][]byte {
	var all []probe
	if l.seccomp {
		for nr := range 470 {
			all = append(all, probe{"syscall": nr, "arch": "x86_64"})
		}
	} else {
		text, _ := os.ReadFile(l.policy)
		for _, profile := range profileNames(string(text)) {
			for _, p := range l.accesses() {
				p["profile"] = profile
				all = append(all, p)
			}
		}
	}
	var lines [][]byte
	for _, p := range all {
		line, err := json.Marshal(p)
		if err != nil {
			panic(err)
		}
		lines = append(lines, line)
	}
	return lines
}

var profileHeader = regexp.MustCompile(`(?m)^(\s*)(?:(?:profile\s+|\^|hat\s+)("[^"]*"|[^\s{]+)[^{\n]*\{|(/\S+) \{$)`)

// profileNames are the full names of the profiles of a file, children as PARENT//CHILD. The scenarios indent
// children.
func profileNames(text string) []string {
	var names []string
	parent := ""
	for _, m := range profileHeader.FindAllStringSubmatch(text, -1) {
		name := strings.Trim(m[2], `"`) + m[3]
		if strings.Trim(m[1], "\n") == "" {
			parent = name
		} else {
			name = parent + "//" + name
		}
		names = append(names, name)
	}
	return names
}

func (l *loop) accesses() []probe {
	var all []probe
	for _, name := range l.paths() {
		for _, mask := range []string{"r", "w", "a", "x", "m", "k", "l"} {
			for _, owner := range []bool{false, true} {
				all = append(all, probe{"class": "file", "name": name, "mask": mask, "owner": owner})
			}
		}
	}
	for _, name := range strings.Fields(capabilities) {
		all = append(all, probe{"class": "cap", "capname": name})
	}
	for _, family := range []string{"unix", "inet", "inet6", "netlink", "packet", "vsock"} {
		for _, kind := range []string{"stream", "dgram", "raw", "seqpacket"} {
			all = append(all, probe{"class": "net", "family": family, "sock_type": kind, "mask": "create"})
		}
	}
	peers := []string{"unconfined", "docker-default", "lab_peer", l.label()}
	for _, peer := range peers {
		for _, mask := range []string{"send", "receive"} {
			for _, signal := range []string{"exists", "term", "kill", "hup", "usr1", "rtmin+8", "rtmin+9"} {
				all = append(all, probe{"class": "signal", "mask": mask, "signal": signal, "peer": peer})
			}
		}
		for _, mask := range []string{"read", "readby", "trace", "tracedby"} {
			all = append(all, probe{"class": "ptrace", "mask": mask, "peer": peer})
		}
	}
	for _, dir := range []string{"/", "/mnt/", "/srv/lab/mnt/", "/srv/lab/d/", "/srv/lab/mnt/sub/"} {
		for _, kind := range []probe{
			{"fstype": "tmpfs", "srcname": "none", "flags": []string{"rw"}},
			{"fstype": "tmpfs", "srcname": "labsrc", "flags": []string{"rw"}},
			{"fstype": "tmpfs", "srcname": "none", "flags": []string{"ro", "nosuid"}},
			{"fstype": "proc", "srcname": "proc", "flags": []string{"rw"}},
			{"fstype": "ext4", "srcname": "/dev/vda", "flags": []string{"rw"}},
			{"srcname": "/srv/lab/d/", "flags": []string{"rw", "bind"}},
			{"srcname": "/", "flags": []string{"rw", "bind"}},
			{"srcname": "/", "flags": []string{"rw", "rbind"}},
			{"srcname": "/srv/lab/mnt/", "flags": []string{"rw", "move"}},
			{"flags": []string{"rw", "rprivate"}},
			{"flags": []string{"rw", "rshared"}},
			{"flags": []string{"ro", "remount"}},
			{"flags": []string{"rw", "remount"}},
		} {
			kind["operation"], kind["name"] = "mount", dir
			all = append(all, kind)
		}
		all = append(all, probe{"operation": "umount", "name": dir},
			probe{"operation": "pivotroot", "name": dir, "srcname": dir + "old/"})
	}
	for _, target := range []string{"unconfined", "docker-default", "lab_cp_target", l.label()} {
		all = append(all, probe{"operation": "change_profile", "target": target})
	}
	for _, value := range []string{"64", "512", "900", "901", "1024", "infinity"} {
		all = append(all, probe{"operation": "setrlimit", "rlimit": "nofile", "value": value})
	}
	return all
}

// label is the scenario's first profile.
func (l *loop) label() string {
	if names := profileNames(l.scenario.policy); len(names) > 0 {
		return names[0]
	}
	return "unconfined"
}

// paths are names worth a probe: those of the logs, their neighbours, and some
// that nobody should get by the way.
func (l *loop) paths() []string {
	paths := []string{
		"/", "/srv/lab/", "/srv/lab/r", "/srv/lab/w", "/srv/lab/other", "/srv/lab/.hidden", "/srv/lab/d/deep/er",
		"/srv/labbin/tool", "/srv/labbin/other", "/etc/passwd", "/etc/shadow", "/root/.ssh/id_rsa", "/home/u/f", "/tmp/x",
		"/usr/bin/cat", "/bin/sh", "/usr/sbin/nginx", "/sbin/init", "/dev/vda", "/dev/null", "/proc/1/mem", "/proc/1/environ",
		"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/kcore", "/sys/kernel/security/apparmor/.remove",
		"/run/docker.sock", "/var/run/docker.sock", "/var/lib/docker/x", "/data/x", "/data/my file", "/run/nginx.pid", "/var/log/nginx/access.log",
	}
	seen := map[string]bool{}
	for _, p := range paths {
		seen[p] = true
	}
	logs, _ := os.ReadDir(l.dir)
	for _, entry := range logs {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		text, _ := os.ReadFile(l.file(entry.Name()))
		for line := range bytes.Lines(text) {
			var answer struct{ Finding *finding }
			if json.Unmarshal(line, &answer) != nil || answer.Finding == nil {
				continue
			}
			name, _ := answer.Finding.Denial["name"].(string)
			if !strings.HasPrefix(name, "/") {
				continue
			}
			bare := strings.TrimSuffix(name, "/")
			for _, p := range []string{name, bare, bare + "/", bare + "x", bare + "/child", path.Dir(bare) + "/sibling", strings.TrimSuffix(path.Dir(bare), "/") + "/"} {
				if !seen[p] && p != "" {
					seen[p] = true
					paths = append(paths, p)
				}
			}
		}
	}
	return paths
}

const capabilities = `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
	sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap
	mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`
