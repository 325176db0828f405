// Command start measures which system calls a container runtime itself makes after it
// has loaded the filter, and writes them to start.tsv: it starts a container that calls
// write and exit_group alone, with a profile that allows every call but one, once for
// each call of x86-64, and but two that programs turn to from one another, with
// no_new_privileges and without. With the last runtime, and no_new_privileges, it does
// the same with two shells, that of busybox-static, and this machine's dash with its
// libraries. It needs root, gcc and the runtimes, each as NAME VERSION=COMMAND, where
// COMMAND is given "run ID" in a bundle:
//
//	go -C internal/tools run ./start -o ../../start.tsv 'runc 1.1.5=runc' 'crun 1.21=crun --cgroup-manager=disabled'
//
// Run it in rules/seccomp. A start takes some 0.1 s, a runtime 2 to 3 minutes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// program says that it runs and ends, with the least of calls.
const program = `
static long call(long nr, long a, long b, long c)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}
void _start(void)
{
	call(1, 1, (long)"started\n", 8);
	call(231, 0, 0, 0);
}
`

func main() {
	log.SetFlags(0)
	out := flag.String("o", "../../start.tsv", "file to write")
	flag.Parse()
	dir, err := os.MkdirTemp("", "start")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := bundle(dir); err != nil {
		log.Fatal(err)
	}
	names := calls()
	var titles []string
	needs := map[string][]bool{}
	for _, s := range columns(dir, flag.Args()) {
		titles = append(titles, s.title)
		if !s.starts(names) {
			log.Fatalf("%s does not start a container whose profile allows all", s.title)
		}
		without := func(missing ...string) bool {
			allowed := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(missing, n) })
			return s.starts(allowed) || s.starts(allowed)
		}
		alone := map[string]bool{}
		for _, name := range names {
			alone[name] = !without(name)
			needs[name] = append(needs[name], alone[name])
		}
		for _, p := range pairs(names) {
			needs[p[0]+" "+p[1]] = append(needs[p[0]+" "+p[1]], !alone[p[0]] && !alone[p[1]] && !without(p[:]...))
		}
		log.Printf("%s is measured", s.title)
	}
	if err := os.WriteFile(*out, render(titles, names, needs), 0o644); err != nil {
		log.Fatal(err)
	}
}

// A start is one way to start a container.
type start struct {
	title, dir, command string
	noNewPrivileges     bool
	argv                []string
}

// columns returns the starts that are measured.
func columns(dir string, runtimes []string) (all []start) {
	for _, runtime := range runtimes {
		title, command, _ := strings.Cut(runtime, "=")
		all = append(all, start{title, dir, command, false, []string{"/bin/start"}},
			start{title + " no_new_privileges", dir, command, true, []string{"/bin/start"}})
	}
	last := all[len(all)-1]
	const script = "/bin/true && echo started"
	static, dynamic := last, last
	static.title, static.argv = "static shell", []string{"/bin/busybox", "sh", "-c", "/bin/busybox true && echo started"}
	dynamic.title, dynamic.argv = "dynamic shell", []string{"/bin/dash", "-c", script}
	return append(all, static, dynamic)
}

// calls returns the names of x86-64's system calls.
func calls() (names []string) {
	for nr := range uint32(512) {
		if name, ok := seccomp.SyscallName(seccomp.X86_64, nr); ok {
			names = append(names, name)
		}
	}
	return names
}

// pairs returns the calls that programs turn to from one another, two and two.
func pairs(names []string) (list [][2]string) {
	for _, name := range names {
		relatives, _ := seccomp.Relatives(name)
		for _, other := range relatives {
			if name < other && slices.Contains(names, other) {
				list = append(list, [2]string{name, other})
			}
		}
	}
	return list
}

// bundle makes what a container needs but its configuration.
func bundle(dir string) error {
	for _, d := range []string{"bin", "dev", "proc"} {
		if err := os.MkdirAll(filepath.Join(dir, "rootfs", d), 0o755); err != nil {
			return err
		}
	}
	source := filepath.Join(dir, "program.c")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		return err
	}
	gcc := exec.Command("gcc", "-nostdlib", "-static", "-fno-stack-protector", "-o", filepath.Join(dir, "rootfs/bin/start"), source)
	if text, err := gcc.CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w: %s", err, text)
	}
	return copied(dir, "/bin/busybox", "/bin/dash", "/bin/true")
}

// copied copies programs of this machine to the bundle, with the libraries that ldd
// names.
func copied(dir string, programs ...string) error {
	files := slices.Clone(programs)
	for _, p := range programs {
		said, _ := exec.Command("ldd", p).Output() // fails for a static program
		for field := range strings.FieldsSeq(string(said)) {
			if strings.HasPrefix(field, "/") {
				files = append(files, field)
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, "rootfs", file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o755); err != nil {
			return err
		}
	}
	return nil
}

type object = map[string]any

// starts reports whether the container starts with a profile that allows those calls
// alone.
func (s start) starts(allowed []string) bool {
	caps := []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	config := object{
		"ociVersion": "1.0.2",
		"process": object{
			"args": s.argv, "cwd": "/", "env": []string{"PATH=/bin"}, "noNewPrivileges": s.noNewPrivileges,
			"user":         object{"uid": 1000, "gid": 1000, "additionalGids": []int{2000}},
			"capabilities": object{"bounding": caps, "permitted": caps, "effective": caps},
		},
		"root": object{"path": "rootfs"},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
		},
		"linux": object{
			"namespaces": []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}},
			"seccomp": object{
				"defaultAction": "SCMP_ACT_ERRNO", "architectures": []string{"SCMP_ARCH_X86_64"},
				"syscalls": []object{{"names": allowed, "action": "SCMP_ACT_ALLOW"}},
			},
		},
	}
	text, err := json.Marshal(config)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "config.json"), text, 0o644); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id := fmt.Sprintf("start-%d", time.Now().UnixNano())
	fields := strings.Fields(s.command)
	run := exec.CommandContext(ctx, fields[0], append(fields[1:], "run", id)...)
	run.Dir, run.WaitDelay = s.dir, time.Second
	said, err := run.Output()
	if err != nil { // what is left of it, if anything
		_ = exec.Command(fields[0], append(fields[1:], "delete", "--force", id)...).Run()
	}
	return err == nil && string(said) == "started\n"
}

// render writes a line for each call that a start fails without, and for each two of
// which one is enough.
func render(titles, names []string, needs map[string][]bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The calls that a runtime does not start a container without, after it has loaded the filter. Measured by internal/tools/start. DO NOT EDIT.\nname\t%s\n", strings.Join(titles, "\t"))
	for _, p := range pairs(names) {
		names = append(names, p[0]+" "+p[1])
	}
	for _, name := range names {
		if !slices.Contains(needs[name], true) {
			continue
		}
		line := name
		for _, need := range needs[name] {
			line += "\t"
			if need {
				line += "x"
			}
		}
		b.WriteString(strings.TrimRight(line, "\t") + "\n")
	}
	return b.Bytes()
}
