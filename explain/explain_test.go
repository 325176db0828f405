package explain

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// denials parses the records of a log.
func denials(t testing.TB, log string) []parser.Denial {
	t.Helper()
	found, stats := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log)})
	require.Zero(t, stats.Unparsed)
	return found
}

// apparmorRecord is an audit.log line of an AppArmor record in profile p.
func apparmorRecord(body string) string {
	return "type=AVC msg=audit(1795427169.844:13): " + body + "\n"
}

// explained returns the finding of a log of one denial, with policy files that
// are written to a directory first; the file "p" is named as the profile.
func explained(t *testing.T, log, profile string) *Explained {
	t.Helper()
	return explainedIn(t, nil, log, profile)
}

// explainedIn is explained with an inventory.
func explainedIn(t *testing.T, inventory []container.Container, log, profile string) *Explained {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
	explainer := New(library.New(filepath.Join(dir, "none"), nil))
	_, _, err := explainer.Library.AddProfile(name)
	require.NoError(t, err)
	g := NewGroup(explainer.Find(&container.Inventory{Containers: inventory}), Filter{})
	for _, d := range denials(t, log) {
		g.Add(d)
	}
	findings := g.Findings()
	require.Len(t, findings, 1)
	return explainer.ExplainAll(findings)[0]
}

func TestAppArmorCauses(t *testing.T) {
	const open = `apparmor="DENIED" operation="open" profile="p" name="/srv/a" pid=7 comm="cat" requested_mask="%[1]s" denied_mask="%[1]s" fsuid=0 ouid=%[2]d`
	read := fmt.Sprintf(open, "r", 0)
	for _, c := range []struct {
		name, record, rules string
		cause               Cause
		decision            Decision
		place, fix, quiet   string // text at the first place, rule of the first fix
	}{
		{"nothing", read, "", NoMatchingRule, Refused, "profile p", "owner /srv/a r,", "deny /srv/a r,"},
		{"create is w", `apparmor="DENIED" operation="mknod" profile="p" name="/srv/a" pid=7 comm="cat" requested_mask="c" denied_mask="c" fsuid=0 ouid=0`,
			"", NoMatchingRule, Refused, "profile p", "owner /srv/a w,", "deny /srv/a w,"},
		{"near", read, "/srv/b r,", NoMatchingRule, Refused, "/srv/b r,", "owner /srv/a r,", "deny /srv/a r,"},
		{"other permission", fmt.Sprintf(open, "wc", 0), "/srv/a r,", MissingPermission, Refused, "r", "/srv/a rw,", "deny /srv/a w,"},
		{"glob without it", fmt.Sprintf(open, "w", 0), "/srv/** r,", MissingPermission, Refused, "r", "owner /srv/a w,", "deny /srv/a w,"},
		{"owner", fmt.Sprintf(open, "r", 5), "owner /srv/* r,", OwnerMismatch, Refused, "owner /srv/* r,", "/srv/a r,", "deny /srv/a r,"},
		{"deny", read, "/srv/** r, deny /srv/a rw,", DenyRule, Quiet, "deny /srv/a rw,", "deny /srv/a w,", ""},
		{"audit deny", read, "/srv/** r, audit deny /srv/a r,", DenyRule, Refused, "audit deny /srv/a r,", "", ""},
		{"deny, and nothing allows", read, "deny /srv/a r,", DenyRule, Quiet, "deny /srv/a r,", "owner /srv/a r,", ""},
		{"granted", read, "/srv/a r,", AllowedByProfile, Granted, "/srv/a r,", "", ""},
		{"capability", `apparmor="DENIED" operation="capable" profile="p" pid=7 comm="cat" capability=21  capname="sys_admin"`,
			"", NoMatchingRule, Refused, "profile p", "capability sys_admin,", "deny capability sys_admin,"},
		{"denied capability", `apparmor="DENIED" operation="capable" profile="p" pid=7 comm="cat" capability=5  capname="kill"`,
			"deny capability kill,", DenyRule, Quiet, "deny capability kill,", "capability kill,", ""},
		{"network", `apparmor="DENIED" operation="create" profile="p" pid=7 comm="cat" family="inet" sock_type="dgram" protocol=0 requested_mask="create" denied_mask="create"`,
			"network inet stream,", NoMatchingRule, Refused, "network inet stream,", "network inet dgram,", "deny network inet dgram,"},
		{"exec", `apparmor="DENIED" operation="exec" profile="p" name="/bin/x" pid=7 comm="sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`,
			"", NoMatchingRule, Refused, "profile p", "/bin/x rix,", "deny /bin/x x,"},
		{"exec of a readable file", `apparmor="DENIED" operation="exec" profile="p" name="/bin/x" pid=7 comm="sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`,
			"/bin/x r,", MissingPermission, Refused, "r", "/bin/x rix,", "deny /bin/x x,"},
		{"no target", `apparmor="DENIED" operation="exec" info="profile transition not found" error=-13 profile="p" name="/bin/x" pid=7 comm="sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="/bin/x"`,
			"/bin/x Px,", ExecTransition, Refused, "Px", "/bin/x Pix,", ""},
		{"disconnected", `apparmor="DENIED" operation="open" info="Failed name lookup - disconnected path" error=-13 profile="p" name="f" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"/** r,", DisconnectedPath, Refused, "profile p", "flags=(attach_disconnected)", ""},
		{"not loaded", `apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="p" pid=7 comm="runc:[2:INIT]"`,
			"", ProfileNotLoaded, Refused, "profile p", "", ""},
		{"unknown profile", `apparmor="DENIED" operation="open" profile="q" name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"", ProfileNotFound, Undecidable, "", "", ""},
		{"complain", `apparmor="ALLOWED" operation="open" profile="p" name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"", Complain, Granted, "profile p", "owner /srv/a r,", "deny /srv/a r,"},
		{"complain, of a program that no rule names", `apparmor="ALLOWED" operation="open" profile="p//null-/bin/x" name="/srv/a" pid=7 comm="x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"/srv/a r,", Complain, Granted, "/srv/a r,", "", ""},
		{"complain, attributes", `apparmor="ALLOWED" operation="getattr" class="file" profile="p//null-/bin/x" name="/" pid=7 comm="x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"/srv/a r,", Complain, Granted, "profile p", "", ""},
		{"limit", `apparmor="DENIED" operation="setrlimit" profile="p" pid=7 comm="sh" rlimit=nofile value=900`,
			"set rlimit nofile <= 512,", MissingPermission, Refused, "set rlimit nofile <= 512,", "set rlimit nofile <= 900,", ""},
		{"process ID in the path", `apparmor="DENIED" operation="open" profile="p" name="/proc/812/stat" pid=7 comm="ps" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"", NoMatchingRule, Refused, "profile p", "owner /proc/[0-9]*/stat r,", "deny /proc/[0-9]*/stat r,"},
		{"to unconfined", `apparmor="DENIED" operation="change_profile" profile="p" name="unconfined" pid=7 comm="x" target="unconfined"`,
			"", NoMatchingRule, Refused, "profile p", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := explained(t, apparmorRecord(c.record), "abi <abi/3.0>,\nprofile p {\n  "+c.rules+"\n}\n")
			assert.Equal(t, c.cause, f.Cause, f.Why)
			assert.Equal(t, c.decision, f.Decision)
			assert.NotEmpty(t, f.Why)
			place, fix := "", ""
			if len(f.Rules) > 0 {
				place = f.Rules[0].At.Text()
			}
			if len(f.Fixes) > 0 {
				fix = f.Fixes[0].Rule
				assert.NotEmpty(t, f.Fixes[0].Proof)
			}
			assert.Equal(t, c.place, place)
			assert.Equal(t, c.fix, fix)
			assert.Equal(t, c.quiet, f.Quiet)
		})
	}
}

// TestMisspeltProfile holds that a profile which is not loaded is likened to those
// that are defined, in the files that the user named and in the directory.
func TestMisspeltProfile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/containers", 0o700))
	require.NoError(t, os.WriteFile(dir+"/containers/web", []byte("abi <abi/3.0>,\nprofile  \"web-frontend\" flags=(attach_disconnected) {\n}\n"), 0o600))
	for name, note := range map[string]string{
		"lab_databse":  "named defines a profile lab_database: was that meant?",
		"web_frontend": dir + "/containers/web defines a profile web-frontend: was that meant?",
		"mail":         "No file here defines a profile mail.",
	} {
		explainer := New(library.New(dir, nil))
		explainer.Library.UseProfile(rules.NewFile("named", "profile lab_database {\n}\n"))
		g := NewGroup(nil, Filter{})
		for _, d := range denials(t, apparmorRecord(`apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="`+name+`" pid=7 comm="runc:[2:INIT]"`)) {
			g.Add(d)
		}
		f := explainer.ExplainAll(g.Findings())[0]
		assert.Equal(t, ProfileNotLoaded, f.Cause)
		require.NotEmpty(t, f.Notes)
		assert.Contains(t, f.Notes[0], note)
	}
}

// TestNarrowedDeny holds that a narrowed deny leaves out one path and refuses
// everything else that it did.
func TestNarrowedDeny(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="open" profile="p" name="/usr/sbin/ng-x" pid=7 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`),
		"abi <abi/3.0>,\nprofile p {\n  file,\n  deny /usr/sbin/** rw, # keep\n}\n")
	require.Len(t, f.Fixes, 2)
	changes, err := rules.Apply(f.Fixes[0].Edits)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/p", []byte(changes[0].New), 0o600))
	assert.Contains(t, changes[0].New, "# keep")
	for name, granted := range map[string]bool{
		"/usr/sbin/ng-x": true, "/usr/sbin/n": false, "/usr/sbin/ng": false, "/usr/sbin/ng-": false, "/usr/sbin/ng-y": false,
		"/usr/sbin/ng-x/": false, "/usr/sbin/ng-x/y": false, "/usr/sbin/ng-xx": false, "/usr/sbin/a/b": false, "/usr/sbin/ng/x": false,
	} {
		explainer := New(library.New(dir, nil))
		d := denials(t, apparmorRecord(fmt.Sprintf(`apparmor="DENIED" operation="open" profile="p" name=%q pid=7 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`, name)))
		g := NewGroup(nil, Filter{})
		g.Add(d[0])
		f := explainer.ExplainAll(g.Findings())[0]
		assert.Equal(t, granted, f.Decision == Granted, name)
	}
}

func TestInvestigate(t *testing.T) {
	for name, danger := range map[string]bool{
		"/proc/sysrq-trigger": true, "/proc/sys/kernel/core_pattern": true, "/run/docker.sock": true,
		"/sys/kernel/x": true, "/srv/a": false, "/tmp/x": false,
	} {
		f := explained(t, apparmorRecord(fmt.Sprintf(`apparmor="DENIED" operation="open" profile="p" name=%q pid=7 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`, name)),
			"abi <abi/3.0>,\nprofile p {\n}\n")
		assert.Equal(t, danger, f.Investigate != "", name)
		require.NotEmpty(t, f.Fixes, name)
		assert.Equal(t, danger, f.Fixes[0].Risk == rules.High, name)
	}
}

// TestLookAlike holds that a line that a process wrote is not explained.
func TestLookAlike(t *testing.T) {
	f := explained(t, `Nov 23 09:46:11 host evil[77]: audit: type=1400 audit(1795427171.844:13): apparmor="DENIED" operation="open" profile="p" name="/x" pid=1 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n",
		"abi <abi/3.0>,\nprofile p {\n}\n")
	assert.Equal(t, UndecidedOperation, f.Cause)
	assert.Empty(t, f.Fixes)
}

// TestUnknownPrefix holds that a record of unknown origin is explained, with a caveat.
func TestUnknownPrefix(t *testing.T) {
	f := explained(t, `| 2021-11-10 16:26:13 | AVC apparmor="DENIED" operation="open" profile="p" name="/x" pid=1 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n",
		"abi <abi/3.0>,\nprofile p {\n}\n")
	assert.Equal(t, NoMatchingRule, f.Cause)
	assert.NotEmpty(t, f.Fixes)
	assert.Contains(t, f.Notes[len(f.Notes)-1], "no known log format")
}

// TestGroup holds that findings do not depend on the order of denials, and
// their IDs on neither process nor time.
func TestGroup(t *testing.T) {
	log := ""
	for i := range 100 {
		log += fmt.Sprintf("type=AVC msg=audit(17954271%02d.000:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"p\" name=\"/srv/%d\" pid=%d comm=\"cat\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n", i, 1000+i, i%3, i)
	}
	all := denials(t, log)
	fold := func() []*Finding {
		g := NewGroup(nil, Filter{})
		for _, d := range all {
			g.Add(d)
		}
		return g.Findings()
	}
	want := fold()
	require.Len(t, want, 3)
	assert.Equal(t, 34, want[0].Count)
	assert.Len(t, want[0].Serials, maxSerials)
	assert.Equal(t, uint32(1000), want[0].Serials[0])
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	assert.Equal(t, want, fold())

	other := denials(t, `type=AVC msg=audit(1.000:5): apparmor="DENIED" operation="open" profile="p" name="/srv/0" pid=99999 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n")
	g := NewGroup(nil, Filter{})
	g.Add(other[0])
	assert.Equal(t, want[0].ID, g.Findings()[0].ID)
}

func TestFilter(t *testing.T) {
	d := denials(t, apparmorRecord(`apparmor="DENIED" operation="open" profile="web//child" name="/a" pid=150 comm="nginx" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`))[0]
	inventory := new(container.Inventory)
	inventory.Add(container.Container{ID: "3f9c1d2a7b41", Name: "web-1", AppArmorProfile: "web"})
	for _, c := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Comms: []string{"sh", "nginx"}}, true},
		{Filter{Comms: []string{"sh"}}, false},
		{Filter{Profiles: []string{"web"}}, true},
		{Filter{Profiles: []string{"web//child"}}, true},
		{Filter{Profiles: []string{"we"}}, false},
		{Filter{Containers: []string{"web-1"}}, true},
		{Filter{Containers: []string{"3f9c"}}, true},
		{Filter{Containers: []string{"db"}}, false},
		{Filter{Since: d.Time}, true},
		{Filter{Until: d.Time}, true},
		{Filter{Since: d.Time.Add(1)}, false},
		{Filter{Until: d.Time.Add(-1)}, false},
	} {
		g := NewGroup(inventory.Find, c.filter)
		g.Add(d)
		assert.Equal(t, c.want, len(g.Findings()) == 1, "%+v", c.filter)
	}
}

// TestNamedSyscall holds that a call that the log only names is the finding that
// its number makes elsewhere.
func TestNamedSyscall(t *testing.T) {
	id := func(log string) string {
		g := NewGroup(nil, Filter{})
		for _, d := range denials(t, log) {
			g.Add(d)
		}
		findings := g.Findings()
		require.Len(t, findings, 1)
		return findings[0].ID
	}
	raw := `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=3246 comm="aaop" exe="/x" sig=0 arch=c000003e syscall=170 compat=0 ip=0x401007 code=0x50000`
	interpreted := `type=SECCOMP msg=audit(11/23/26 09:54:49.211:1270) : auid=unset uid=root gid=root ses=unset subj=unconfined pid=3246 comm=aaop exe=/x sig=SIG0 arch=x86_64 syscall=sethostname compat=0 ip=0x401007 code=errno`
	assert.Equal(t, id(raw+"\n"), id(interpreted+"\n"))
}

// TestLeftoversOfTheDirectory holds that a file that apparmor_parser passes over
// does not answer for the profile.
func TestLeftoversOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, rule := range map[string]string{"a.dpkg-old": "/srv/a r,", "web": "/srv/a w,"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("abi <abi/3.0>,\nprofile p {\n  "+rule+"\n}\n"), 0o600))
	}
	g := NewGroup(nil, Filter{})
	g.Add(denials(t, apparmorRecord(`apparmor="DENIED" operation="open" profile="p" name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`))[0])
	f := New(library.New(dir, nil)).Explain(*g.Findings()[0])
	assert.Equal(t, filepath.Join(dir, "web"), f.Policy)
}

// What an answer hangs on is said once: a condition within another adds nothing.
func TestUndecidedWords(t *testing.T) {
	d := seccomp.Decision{Whens: []seccomp.Outcome{
		{When: "libseccomp is older than 2.4.2, and the filter was loaded by crun"}, {When: "libseccomp is older than 2.4.2"}, {When: "CAP_SYS_ADMIN held"}, {},
	}}
	assert.Equal(t, "whether libseccomp is older than 2.4.2, or CAP_SYS_ADMIN held", undecided(d))
	d.Whens = nil
	for _, when := range strings.Split("a0 == 0,a0 == 3,a0 == 4,a0 == 5,a0 == 9,a1 == 10,CAP_NET_RAW held,a0 == 45,a0 >= 46", ",") {
		d.Whens = append(d.Whens, seccomp.Outcome{When: when})
	}
	assert.Equal(t, "whether a0 == 0, or 3 <= a0 <= 5, or a0 == 9, or a1 == 10, or CAP_NET_RAW held, or a0 >= 45", undecided(d))
}
