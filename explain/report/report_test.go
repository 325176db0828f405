package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update")
	assert.Equal(t, string(want), got, "%s; if the change is meant, run go test -update", path)
}

// pairs reads key=value and key="value" into a record's fields; \ escapes.
func pairs(t testing.TB, body string) (fields []parser.Field) {
	t.Helper()
	for body = strings.TrimSpace(body); body != ""; body = strings.TrimSpace(body) {
		key, rest, found := strings.Cut(body, "=")
		require.True(t, found, body)
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			require.NoError(t, err, rest)
			value, err := strconv.Unquote(quoted)
			require.NoError(t, err, rest)
			fields = append(fields, parser.Field{Key: key, Value: value})
			body = rest[len(quoted):]
			continue
		}
		value, rest, _ := strings.Cut(rest, " ")
		fields = append(fields, parser.Field{Key: key, Value: value})
		body = rest
	}
	return fields
}

// wireFields is pairs as Fields.
func wireFields(t testing.TB, body string) (fields Fields) {
	for _, f := range pairs(t, body) {
		fields = append(fields, Field{Key: f.Key, Value: f.Value})
	}
	return fields
}

var start = time.Date(2026, 11, 23, 9, 12, 3, 52e6, time.UTC)

// denial makes a typed denial of a record's body.
func denial(t testing.TB, typ parser.Type, mode parser.Mode, body string) parser.Denial {
	r := parser.Record{Type: typ, Time: start, Serial: 4711, Text: body, Fields: pairs(t, body)}
	d := parser.Denial{Event: parser.Event{Records: []parser.Record{r}}, Time: start, Mode: mode}
	pid, _ := strconv.Atoi(r.Get("pid"))
	d.Subject = parser.Subject{PID: pid, Comm: r.Get("comm"), Exe: r.Get("exe"), Label: r.Get("profile") + r.Get("subj"), UID: -1}
	if uid, err := strconv.Atoi(r.Get("fsuid") + r.Get("uid")); err == nil {
		d.Subject.UID = uid
	}
	if typ != parser.SECCOMP {
		d.AppArmor = &parser.AppArmor{Operation: r.Get("operation")}
		return d
	}
	number := func(key string, base int) uint64 {
		n, err := strconv.ParseUint(strings.TrimPrefix(r.Get(key), "0x"), base, 64)
		require.NoError(t, err, key)
		return n
	}
	d.Seccomp = &parser.Seccomp{
		Arch:    uint32(number("arch", 16)),
		Syscall: uint32(number("syscall", 10)),
		Code:    uint32(number("code", 16)),
	}
	return d
}

const webProfile = `abi <abi/3.0>,
include <tunables/global>

profile web flags=(attach_disconnected) {
  include <abstractions/base>
	capability net_bind_service,

  /usr/sbin/nginx ix,
  deny /usr/sbin/** mrwklx,
  /etc/nginx/** r,
  /var/cache/nginx/** r,
}
`

// place returns the location of the nth byte range of needle in a file.
func place(t testing.TB, f *rules.File, needle string) rules.Location {
	i := strings.Index(f.Text, needle)
	require.GreaterOrEqual(t, i, 0, needle)
	return rules.Location{File: f, Span: rules.Span{Start: i, End: i + len(needle)}}
}

// after returns the empty location behind needle.
func after(t testing.TB, f *rules.File, needle string) rules.Location {
	l := place(t, f, needle)
	l.Span.Start = l.Span.End
	return l
}

// findings are synthetic, one for each way in which a block can look.
func findings(t testing.TB) []explain.Explained {
	web := rules.NewFile("/etc/apparmor.d/containers/web", webProfile)
	base := rules.NewFile("/etc/apparmor.d/abstractions/base", strings.Repeat("# a comment\n", 120)+"  deny @{PROC}/sys/kernel/** wklx,\n")
	docker := rules.NewFile("docker-default", "profile docker-default {\n  deny mount,\n}\n")
	docker.Builtin = "moby/profiles v0.2.1"
	local := rules.NewFile("/etc/apparmor.d/local/web", "# local additions\n")
	minified := rules.NewFile("profile.json", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["`+
		strings.Join(strings.Fields(strings.Repeat("accept access bind ", 30)), `","`)+`","write"],"action":"SCMP_ACT_ALLOW"}]}`)
	web1 := container.Container{
		ID: "3f9c1d2a7b41" + strings.Repeat("0", 52), Name: "web-1", Image: "nginx:1.27", Runtime: "docker",
		Evidence: []string{"the cgroup of the process names it"}, Confidence: container.High,
	}
	pod := container.Container{
		ID: strings.Repeat("ab", 32), Name: "web", Image: "registry.example/web@sha256:" + strings.Repeat("0f", 32),
		Runtime: "containerd", Pod: "web-7d9c5-x2x", Namespace: "shop", Evidence: []string{"only container with AppArmor profile web", "it runs sh"}, Confidence: container.Medium,
	}
	cache := place(t, web, "/var/cache/nginx/** r")
	cache.Span.Start = cache.Span.End - 1
	return []explain.Explained{
		{
			Finding: &explain.Finding{
				ID:     "0a1b2c3d4e5f",
				Denial: denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="open" class="file" profile="web" name="/var/cache/nginx/x" pid=812 comm="nginx" requested_mask="wc" denied_mask="wc" fsuid=101 ouid=0`),
				Count:  14, First: start, Last: start.Add(6 * time.Second), Serials: []uint32{4711, 4712, 4720},
				Container: web1,
			},
			Explanation: explain.Explanation{
				Cause: explain.MissingPermission, Why: "a rule names this path but does not grant w",
				Decision: explain.Refused, Policy: "/etc/apparmor.d/containers/web",
				Rules: []explain.Place{{At: cache, Note: `grants r; the process asked for w (denied_mask="wc")`}},
				Fixes: []rules.Fix{
					{
						Message: "add a rule for this path alone", Rule: "/var/cache/nginx/x w,", Risk: rules.Low,
						Edits: []rules.Edit{{At: after(t, web, "nginx/** r,\n"), New: "  /var/cache/nginx/x w,\n"}},
						Proof: []string{"compiles", "access now allowed"},
					},
					{
						Message: "add w to this rule", Rule: "/var/cache/nginx/** rw,", Risk: rules.Low,
						Edits:  []rules.Edit{{At: cache, New: "rw"}},
						Grants: "w on everything below /var/cache/nginx", Proof: []string{"compiles", "access now allowed"},
					},
					{
						Message: "add a rule to the profile's local file", Rule: "/var/cache/nginx/x w,", Risk: rules.Low,
						Edits: []rules.Edit{{At: after(t, local, "additions\n"), New: "/var/cache/nginx/x w,\n"}},
					},
				},
				Quiet: "deny /var/cache/nginx/x w,",
			},
		},
		{
			Finding: &explain.Finding{
				ID:     "1a1b2c3d4e5f",
				Denial: denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="open" profile="web" name="/proc/sys/kernel/core_pattern" pid=813 comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`),
				Count:  1, First: start, Last: start, Serials: []uint32{4713},
				Container: pod,
			},
			Explanation: explain.Explanation{
				Cause: explain.DenyRule, Why: "a deny rule refuses w, and no allow rule can override it",
				Decision: explain.Quiet, Policy: "/etc/apparmor.d/containers/web",
				Rules: []explain.Place{
					{
						At: place(t, base, "deny @{PROC}/sys/kernel/** wklx,"), Note: "refuses w on everything below /proc/sys/kernel, without a record unless the kernel is told to be noisy",
						Via: []rules.Location{place(t, web, "include <abstractions/base>")},
					},
					{At: place(t, web, "capability net_bind_service,"), Note: "not this one"},
				},
				Fixes: []rules.Fix{{
					Message: "narrow the deny rule so that it leaves this path out, which takes editing an abstraction that other profiles share",
					Rule:    "deny @{PROC}/sys/kernel/[^c]** wklx,", Risk: rules.High,
					Edits:  []rules.Edit{{At: place(t, base, "/sys/kernel/**"), New: "/sys/kernel/[^c]**"}},
					Reason: "it names a program that the host's kernel runs as root: a known way out of a container",
					Proof:  []string{"compiles"}, Grants: "w on everything below /proc/sys/kernel that begins with c",
				}},
				Investigate: "whoever writes core_pattern has the host's kernel run a program of its choice as root; find out what sh was doing before changing any rule",
				Notes:       []string{"the same record was also seen as a line that a process wrote to /dev/kmsg", "docs: `whydenied help deny-rule`"},
			},
		},
		{
			Finding: &explain.Finding{
				ID:     "2a1b2c3d4e5f",
				Denial: denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="mount" info="failed perms check" error=-13 profile="docker-default" name="/mnt/" pid=4380 comm="mount" fstype="tmpfs" srcname="none" flags="rw, silent"`),
				Count:  2, First: start.Add(-26 * time.Hour), Last: start,
			},
			Explanation: explain.Explanation{
				Cause: explain.DenyRule, Why: "a deny rule refuses it", Decision: explain.Refused, Policy: "docker-default of moby/profiles v0.2.1",
				Rules: []explain.Place{{At: place(t, docker, "deny mount,"), Note: "refuses every mount"}},
			},
		},
		{
			Finding: &explain.Finding{
				ID:     "3a1b2c3d4e5f",
				Denial: denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="web" pid=2829 comm="runc:[2:INIT]"`),
				Count:  1,
			},
			Explanation: explain.Explanation{
				Cause: explain.ProfileNotLoaded, Why: "the kernel has no profile named web", Decision: explain.Undecidable,
				Fixes: []rules.Fix{{Message: "load the profile", Rule: "apparmor_parser -r /etc/apparmor.d/containers/web", Risk: rules.Low}},
			},
		},
		{
			Finding: &explain.Finding{
				ID:        "4a1b2c3d4e5f",
				Container: container.Container{Evidence: []string{"2 containers (a, b) have AppArmor profile web"}},
				Denial:    denial(t, parser.AVC, parser.Allowed, `apparmor="ALLOWED" operation="exec" class="file" profile="web" name="/srv/labbin/tool" pid=2960 comm="aaop" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="web//null-/srv/labbin/tool"`),
				Count:     1234, First: start, Last: start,
			},
			Explanation: explain.Explanation{
				Cause: explain.Complain, Why: "the profile is in complain mode", Decision: explain.Refused,
				Policy: "/etc/apparmor.d/containers/web",
			},
		},
		{
			Finding: &explain.Finding{
				ID:     "5a1b2c3d4e5f",
				Denial: denial(t, parser.SECCOMP, parser.Killed, `auid=4294967295 uid=0 gid=0 ses=4294967295 subj=docker-default pid=7283 comm="busybox" exe="/usr/bin/busybox" sig=31 arch=c000003e syscall=83 compat=0 ip=0x47b567 code=0x80000000`),
				Count:  3, First: start, Last: start.Add(time.Minute), Container: web1,
			},
			Explanation: explain.Explanation{
				Cause: explain.SyscallNotListed,
				Why:   "the profile does not list mkdir, and its default action is SCMP_ACT_KILL_PROCESS", Decision: explain.Refused, Policy: "profile.json",
				Rules: []explain.Place{{At: place(t, minified, `"SCMP_ACT_ERRNO"`), Note: "the default action"}},
				Fixes: []rules.Fix{{
					Message: "allow mkdir", Rule: `"mkdir"`, Risk: rules.Low,
					Edits: []rules.Edit{{At: after(t, minified, `"write"`), New: `,"mkdir"`}}, Proof: []string{"mkdir is now allowed"},
				}},
			},
		},
		{
			Finding: &explain.Finding{
				ID:     "6a1b2c3d4e5f",
				Denial: denial(t, parser.SECCOMP, parser.Allowed, `auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=3228 comm="aaop" exe="/usr/local/bin/aaop" sig=0 arch=c000003e syscall=1073741863 compat=0 ip=0x440187 code=0x7ffc0000`),
				Count:  1, First: start, Last: start,
			},
			Explanation: explain.Explanation{
				Cause: explain.LoggedOnly, Why: "the profile's answer is SCMP_ACT_LOG", Decision: explain.Granted,
			},
		},
	}
}

// messages are a whole report.
func messages(t testing.TB) []Message {
	list := []Message{{Config: &Config{
		SchemaVersion: SchemaVersion, Tool: "whydenied", Version: "v0.0.0-test",
		Inputs: []string{"/var/log/audit/audit.log"}, Policies: []string{"/etc/apparmor.d"},
		Filters: &Filters{Container: []string{"web-1"}},
	}}}
	for _, f := range findings(t) {
		wire := NewFinding(f)
		list = append(list, Message{Finding: &wire})
	}
	return append(list, Message{Summary: &Summary{
		Lines: 1234, Records: 56, Denials: 34, Findings: 7, Complain: 2, Duplicates: 3, Unparsed: 1, TornLines: 1, Overlong: 2,
		Samples: []Unparsed{{File: "audit.log", Line: 99, Why: "no closing quote", Text: `type=AVC msg=audit(1.0:1): apparmor="DEN`}},
		First:   Time(start), Last: Time(start.Add(time.Minute)),
		Missing: Missing{Suppressed: 305, SerialGaps: 12, RateLimited: 1},
	}})
}

func renderText(t testing.TB, list []Message, o TextOptions) string {
	var out bytes.Buffer
	emit := NewText(&out, o)
	for _, m := range list {
		require.NoError(t, emit(m))
	}
	return out.String()
}

func renderJSON(t testing.TB, list []Message) string {
	var out bytes.Buffer
	emit := NewJSON(&out)
	for _, m := range list {
		require.NoError(t, emit(m))
	}
	return out.String()
}

func TestText(t *testing.T) {
	list := messages(t)
	now := start.Add(time.Hour)
	for _, c := range []struct {
		name    string
		options TextOptions
	}{
		{"findings.80.txt", TextOptions{Width: 80, Now: now}},
		{"findings.160.txt", TextOptions{Width: 160, Now: now}},
		{"findings.color.txt", TextOptions{Width: 100, Color: true}},
	} {
		t.Run(c.name, func(t *testing.T) { golden(t, c.name, renderText(t, list, c.options)) })
	}
}

// Colour must change nothing but the colour.
func TestColorIsOnlyColor(t *testing.T) {
	list := messages(t)
	for _, w := range []int{40, 80, 160} {
		colored := renderText(t, list, TextOptions{Width: w, Color: true})
		assert.Equal(t, renderText(t, list, TextOptions{Width: w}), sgr.ReplaceAllString(colored, ""))
	}
}

func TestJSON(t *testing.T) {
	golden(t, "findings.json", renderJSON(t, messages(t)))
}

func TestReplay(t *testing.T) {
	list := messages(t)
	saved := renderJSON(t, list)
	require.True(t, IsSaved([]byte(saved)[:100]))
	var again []Message
	for m, err := range Read(strings.NewReader(saved)) {
		require.NoError(t, err)
		again = append(again, m)
	}
	assert.Equal(t, saved, renderJSON(t, again))
	for _, o := range []TextOptions{{Width: 80}, {Width: 160, Color: true, Now: start}} {
		assert.Equal(t, renderText(t, list, o), renderText(t, again, o))
	}
}

func TestLinesFitTheWidth(t *testing.T) {
	for _, w := range []int{80, 100, 160} {
		for line := range strings.Lines(renderText(t, messages(t), TextOptions{Width: w})) {
			if len(strings.Fields(line)) > 1 { // a single long word stays whole
				assert.LessOrEqual(t, escape.Text(strings.TrimSuffix(line, "\n")).Width(), w, line)
			}
		}
	}
}
