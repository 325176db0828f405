//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// A bed is what the scenarios share.
type bed struct {
	whydenied string // the binary
	profiles  string // folder
	programs  string // folder: what the containers have in /bin
	audit     *auditLog
	kernel    string
}

// Every scenario runs in a real container: how the program ends, the record or
// its absence, what whydenied makes of the record, and what it says beforehand
// (query), must all be as the table has it.
func TestContainers(t *testing.T) {
	b := newBed(t)
	runtimes := newRuntimes(t)
	has32 := kernel.I386(t)
	flagged := map[string]bool{}
	for i, r := range runtimes {
		t.Run("runc "+r.version, func(t *testing.T) {
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) {
					ran := b.scenario(t, r, s, i == 0)
					flagged[s.name] = flagged[s.name] || ran
				})
			}
		})
	}
	for _, s := range scenarios {
		if !flagged[s.name] && !t.Failed() && (s.call.arch != "i386" || has32) {
			t.Run("log flag", func(t *testing.T) {
				missing(t, "a runc that takes SECCOMP_FILTER_FLAG_LOG (1.2 or newer; name it by E2E_RUNC), for %q and others", s.name)
			})
			return
		}
	}
}

// runc leaves out of a filter what its libseccomp has no number for. A call that
// the profile allows by name, but that is newer than libseccomp, is then above
// all that the filter knows: ENOSYS, and no record.
func TestCallNewerThanLibseccomp(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	require.True(t, slices.ContainsFunc(p.Syscalls, func(s syscalls) bool {
		return s.Action == "SCMP_ACT_ALLOW" && slices.Contains(s.Names, "mseal")
	}))
	mseal := []string{"probe64", "462", "0", "0", "0"}
	for _, r := range newRuntimes(t) {
		t.Run("runc "+r.version, func(t *testing.T) {
			if !strings.HasPrefix(r.library, "2.5.") {
				t.Skipf("libseccomp %s may know mseal; 2.5 does not", r.library)
			}
			c, refusal := r.run(t, b.programs, mseal, dockersCaps, nil)
			require.NotNil(t, c, refusal)
			if c.outcome != "ran" {
				t.Skipf("this kernel answers %s to mseal (Linux 6.10)", c.outcome)
			}
			c, refusal = r.run(t, b.programs, mseal, dockersCaps, p)
			require.NotNil(t, c, refusal)
			assert.Equal(t, "ENOSYS", c.outcome)
			assert.Empty(t, b.audit.of(t, c.pid))
		})
	}
}

// tool returns the path of a program of this machine.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s (Debian's %s)", name, debian)
	}
	return path
}

func newBed(t *testing.T) *bed {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	for _, action := range []string{"kill_process", "kill_thread", "trap", "errno", "trace", "log"} {
		logged, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_logged")
		if err != nil || !strings.Contains(string(logged), action) {
			missing(t, "%s in the sysctl kernel.seccomp.actions_logged, which says %q", action, logged)
		}
	}
	dir := t.TempDir()
	b := &bed{
		whydenied: filepath.Join(dir, "whydenied"),
		profiles:  filepath.Join(dir, "profiles"),
		programs:  filepath.Join(dir, "programs"),
		kernel:    kernelRelease(t),
	}
	t.Logf("kernel %s", b.kernel)
	gcc, busybox := tool(t, "gcc", "gcc"), tool(t, "busybox", "busybox-static")
	require.NoError(t, os.Mkdir(b.programs, 0o755))
	for _, name := range []string{"unshare", "true"} {
		text, err := os.ReadFile(busybox)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(b.programs, name), text, 0o755))
	}
	for _, m := range []string{"64", "32"} {
		run(t, gcc, "-m"+m, "-Wall", "-Werror", "-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-fno-stack-protector",
			"-o", filepath.Join(b.programs, "probe"+m), "programs/probe.c")
	}
	run(t, "go", "build", "-o", b.whydenied, "../../cmd/whydenied")
	b.newProfiles(t)
	// Orphans are ours to wait for: see outcomeOf.
	require.NoError(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	b.audit = &auditLog{kernel.OpenAudit(t)}
	return b
}

// newRuntimes returns the runc of this machine and the one that E2E_RUNC names.
func newRuntimes(t *testing.T) []*runtime {
	paths := []string{tool(t, "runc", "runc")}
	if second := os.Getenv("E2E_RUNC"); second != "" {
		// By its usual name, by which whydenied knows a runtime.
		usual := filepath.Join(t.TempDir(), "runc")
		require.NoError(t, os.Symlink(second, usual))
		paths = append(paths, usual)
	}
	var runtimes []*runtime
	for _, path := range paths {
		runtimes = append(runtimes, newRuntime(t, path))
	}
	return runtimes
}

// newProfiles copies the profiles and makes some of others: Docker's default,
// the same but that it kills, and what whydenied observe makes of two.
func (b *bed) newProfiles(t *testing.T) {
	require.NoError(t, os.CopyFS(b.profiles, os.DirFS("profiles")))
	builtin, _, ok := seccomp.Builtin("docker", "29.7.2")
	require.True(t, ok)
	docker := []byte(builtin.File.Text)
	kill := bytes.Replace(docker, []byte(`"defaultAction": "SCMP_ACT_ERRNO"`), []byte(`"defaultAction": "SCMP_ACT_KILL_PROCESS"`), 1)
	require.NotEqual(t, docker, kill)
	write := func(name string, text []byte) string {
		name = filepath.Join(b.profiles, name)
		require.NoError(t, os.WriteFile(name, text, 0o600))
		return name
	}
	write("docker-kill.json", kill)
	observe := func(args ...string) []byte {
		return run(t, b.whydenied, append([]string{"observe", "--format", "profile", "--seccomp"}, args...)...)
	}
	write("docker-observed.json", observe(write("docker.json", docker)))
	write("errno-observed.json", observe(filepath.Join(b.profiles, "errno.json"), "--log-action"))
}

// run returns what a program prints; it must succeed.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", cmd, &stderr)
	return out
}

// scenario runs a scenario under a runtime, and reports whether it ran: a runc
// before 1.2 refuses the flags of a profile.
func (b *bed) scenario(t *testing.T, r *runtime, s scenario, control bool) bool {
	if s.call.arch == "i386" && !kernel.I386(t) {
		t.SkipNow()
	}
	name := filepath.Join(b.profiles, s.profile)
	p := resolve(t, name, s.caps)
	if control {
		b.unfiltered(t, r, s)
	}
	c, refusal := r.run(t, b.programs, s.argv(), s.caps, p)
	if len(p.Flags) > 0 && refusal != "" {
		assert.Contains(t, refusal, "seccomp flags are not yet supported by runc")
		return false
	}
	require.NotNil(t, c, "%s does not create the container: %s", r.path, refusal)
	records := b.audit.of(t, c.pid)
	assert.Equal(t, s.outcome, c.outcome, c.output)
	b.predict(t, r, s, name)
	if s.record == "" {
		assert.Empty(t, records)
		b.explainSilence(t, records, name, c)
		return true
	}
	require.Len(t, records, 1)
	for field := range strings.FieldsSeq(s.record) {
		assert.Contains(t, strings.Fields(records[0]), field, records[0])
	}
	assert.Contains(t, records[0], fmt.Sprintf("comm=%q", s.argv()[0]))
	t.Log(records[0])
	b.explainRecord(t, s, records, name, c)
	return true
}

// argv returns the container's command.
func (s scenario) argv() []string {
	if s.command != nil {
		return s.command
	}
	argv := []string{"probe64"}
	if s.call.arch == "i386" {
		argv[0] = "probe32"
	}
	if s.own != nil {
		argv = append(append(argv, "filter"), s.own...)
	}
	return append(append(argv, s.call.number), s.call.args...)
}

// unfiltered checks that it is the filter that makes the scenario's outcome: in
// a container without one, the same program ends otherwise and nothing is logged.
func (b *bed) unfiltered(t *testing.T, r *runtime, s scenario) {
	t.Helper()
	s.own = nil
	c, refusal := r.run(t, b.programs, s.argv(), s.caps, nil)
	require.NotNil(t, c, refusal)
	want := s.unfiltered
	if want == "" {
		want = "ran"
	}
	assert.Equal(t, want, c.outcome, "without a profile: %s", c.output)
	assert.Empty(t, b.audit.of(t, c.pid))
}

// predict checks that query says beforehand what the kernel answers and whether
// that leaves a record.
func (b *bed) predict(t *testing.T, r *runtime, s scenario, profile string) {
	t.Helper()
	if s.own != nil {
		return
	}
	args := []string{
		"query", "--format", "json", "--seccomp", profile, "--syscall", s.call.name, "--arch", s.call.arch,
		"--caps", strings.Join(s.caps, ","), "--kernel", b.kernel, "--runtime", "runc@" + r.version, "--libseccomp", r.library,
	}
	for _, a := range s.call.args {
		if strings.HasPrefix(a, "/") {
			a = "0x1000" // an address
		}
		args = append(args, "--args", a)
	}
	out, stderr, _ := b.exec(t, args...)
	var answer struct {
		Action    string
		ErrnoName string `json:"errno_name"`
		Quiet     bool
	}
	require.NoError(t, json.Unmarshal(out, &answer), "%s%s", out, stderr)
	outcome := map[string]string{
		"errno": answer.ErrnoName, "trap": "SIGSYS", "kill_process": "SIGSYS", "kill_thread": "SIGSYS", "trace": "ENOSYS",
	}[answer.Action]
	permitted := outcome == ""
	if permitted {
		if outcome = s.unfiltered; outcome == "" {
			outcome = "ran"
		}
	}
	assert.Equal(t, s.outcome, outcome, "query foretells %s", out)
	assert.Equal(t, !permitted && s.record == "", answer.Quiet, "query foretells quiet %s", out)
}

// exec runs whydenied.
func (b *bed) exec(t *testing.T, args ...string) (stdout []byte, stderr string, status int) {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(b.whydenied, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out, errs.String(), cmd.ProcessState.ExitCode()
}

// explained is what the tests read of a finding.
type explained struct {
	Message, Cause, Why, Decision, Mode, Policy string
	Count                                       int
	Container                                   *struct{ ID, Name, Image, Runtime, Confidence string }
	Subject                                     struct {
		PID  int
		Comm string
	}
	Seccomp struct {
		SyscallName string `json:"syscall_name"`
		ArchName    string `json:"arch_name"`
		Action      string
	}
	Rules []struct {
		File, Text string
		Line       int
	}
}

// explain has whydenied explain records, and returns its findings.
func (b *bed) explain(t *testing.T, records []string, args ...string) (findings []explained, stderr string, status int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "audit.log")
	require.NoError(t, os.WriteFile(log, []byte(strings.Join(append(records, ""), "\n")), 0o600))
	out, stderr, status := b.exec(t, append([]string{"explain", log, "--format", "json"}, args...)...)
	for line := range strings.Lines(string(out)) {
		var m struct{ Finding *explained }
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		if m.Finding != nil {
			findings = append(findings, *m.Finding)
		}
	}
	return findings, stderr, status
}

// explainSilence checks that no finding is made up, and that silence is said
// to be no proof.
func (b *bed) explainSilence(t *testing.T, records []string, profile string, c *container) {
	t.Helper()
	findings, stderr, status := b.explain(t, records, "--seccomp", profile, "--inventory", c.config())
	assert.Empty(t, findings)
	assert.Equal(t, 0, status)
	assert.Contains(t, stderr, "does not mean that nothing was refused")
}

// explainRecord checks the finding from the profile as the user has it, and from
// what the runtime knows of the container.
func (b *bed) explainRecord(t *testing.T, s scenario, records []string, profile string, c *container) {
	t.Helper()
	findings, stderr, status := b.explain(t, records, "--seccomp", profile, "--inventory", c.config())
	require.Len(t, findings, 1, stderr)
	assert.Equal(t, 3, status)
	f := findings[0]
	s.checkFinding(t, f, c, s.finding.cause)
	assert.Equal(t, profile, f.Policy)
	t.Logf("%s: %s, %s", f.Message, f.Cause, f.Why)
	var lines []int
	for _, r := range f.Rules {
		assert.Equal(t, profile, r.File)
		lines = append(lines, r.Line)
	}
	assert.Equal(t, s.finding.rules, lines)
	// Nothing in a SECCOMP record leads from the process to config.json: what says that it
	// is this container is that its filter, and none of another, answers so.
	if s.own != nil {
		assert.Nil(t, f.Container)
	} else if assert.NotNil(t, f.Container) {
		assert.Equal(t, c.id, f.Container.ID)
		assert.NotEqual(t, "high", f.Container.Confidence)
	}

	// state.json of the running container has the process.
	findings, stderr, _ = b.explain(t, records, "--inventory", c.config(), "--inventory", c.state())
	require.Len(t, findings, 1, stderr)
	f = findings[0]
	cause := s.finding.cause
	if s.resolved != "" {
		cause = s.resolved
	}
	s.checkFinding(t, f, c, cause)
	require.NotNil(t, f.Container)
	assert.Equal(t, c.id, f.Container.ID)
	assert.Equal(t, "runc", f.Container.Runtime)
	assert.Equal(t, "high", f.Container.Confidence)
	t.Logf("%s: %s, %s, %+v", f.Message, f.Cause, f.Why, f.Rules)
}

func (s scenario) checkFinding(t *testing.T, f explained, c *container, cause string) {
	t.Helper()
	want := s.finding
	assert.Equal(t, want.syscall, f.Seccomp.SyscallName)
	assert.Equal(t, want.arch, f.Seccomp.ArchName)
	assert.Equal(t, want.action, f.Seccomp.Action)
	assert.Equal(t, want.mode, f.Mode)
	assert.Equal(t, cause, f.Cause, f.Why)
	assert.Equal(t, want.decision, f.Decision)
	assert.Equal(t, 1, f.Count)
	assert.Equal(t, c.pid, f.Subject.PID)
	assert.Equal(t, s.argv()[0], f.Subject.Comm)
}
