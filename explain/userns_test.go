package explain

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

// moved is the record of a program that was moved to the stub, at a second and a serial.
func moved(at, pid int, comm, more string) string {
	return fmt.Sprintf(`type=AVC msg=audit(1722708%03d.045:%d): apparmor="AUDIT" operation="userns_create" class="namespace" info="Userns create - transitioning profile" profile="unconfined" pid=%d comm="%s" requested="userns_create" target="unprivileged_userns"%s`+"\n", at, at, pid, comm, more)
}

// stubbed is the record of a capability that was refused under the stub.
func stubbed(at, pid int, comm string) string {
	return fmt.Sprintf(`type=AVC msg=audit(1722708%03d.057:%d): apparmor="DENIED" operation="capable" class="cap" profile="unprivileged_userns" pid=%d comm="%s" capability=6  capname="setgid"`+"\n", at, at, pid, comm)
}

// stub is what Ubuntu's stub comes to.
const stub = "profile unprivileged_userns {\n  audit deny capability,\n  audit deny change_profile,\n  userns,\n  file,\n}\n"

func TestUnprivilegedUserns(t *testing.T) {
	for name, c := range map[string]struct{ log, profile, note string }{
		"the process itself": {moved(100, 7, "nsjail", "") + stubbed(101, 7, "nsjail"), "profile nsjail /{,usr/,usr/local/}{,s}bin/nsjail flags=", "The record of process 7 says"},
		"its path":           {moved(100, 7, "nsjail", ` execpath="/opt/nsjail"`) + stubbed(101, 7, "sh"), "profile nsjail /opt/nsjail flags=", "The record of process 7 says that /opt/nsjail was moved"},
		"its name":           {moved(100, 7, "nsjail", "") + moved(101, 8, "other", "") + stubbed(101, 9, "nsjail"), "profile nsjail ", "process 7, of the same name,"},
		"the only one":       {moved(100, 7, "AppRun", "") + stubbed(101, 9, "obsidian"), "profile AppRun ", "process 7, shortly before,"},
		"several":            {moved(100, 7, "chrome", "") + moved(100, 8, "bwrap", "") + stubbed(101, 9, "x"), "profile x ", "shortly before, chrome and bwrap were"},
		"later":              {moved(102, 9, "nsjail", "") + stubbed(101, 9, "nsjail"), "profile nsjail ", "No record here says"},
		"long ago":           {moved(100, 7, "chrome", "") + stubbed(900, 9, "x"), "profile x ", "No record here says"},
		"none":               {stubbed(101, 9, "x"), "profile x ", "No record here says"},
	} {
		for _, source := range []string{stub, "profile p {\n}\n"} {
			f := explained(t, c.log, source)
			assert.Equal(t, RestrictedUserns, f.Cause, name)
			assert.Contains(t, strings.Join(f.Notes, " "), c.note, name)
			require.Len(t, f.Fixes, 2, name)
			changes, err := rules.Apply(f.Fixes[0].Edits)
			require.NoError(t, err)
			assert.Contains(t, changes[0].New, c.profile, name)
			assert.True(t, changes[0].File.Absent, "a new file, and none of the stub's")
			assert.Contains(t, f.Fixes[1].Message, "as a last resort")
			assert.Contains(t, f.Fixes[1].Message, "kernel.apparmor_restrict_unprivileged_userns=0")
			assert.Empty(t, f.Fixes[1].Edits)
			assert.Empty(t, f.Quiet)
			assert.Equal(t, source == stub, len(f.Rules) > 0 && strings.Contains(f.Rules[0].At.Text(), "deny capability"), name)
		}
	}
}

// In a container the stub, or a profile, is loaded into its policy namespace.
func TestUsernsInContainer(t *testing.T) {
	const record = `apparmor="DENIED" operation="userns_create" class="namespace" info="Userns create restricted - failed to find unprivileged_userns profile" error=-13 %sprofile="unconfined" pid=5 comm="podman" requested="userns_create" denied="userns_create" target="unprivileged_userns"`
	f := explained(t, apparmorRecord(fmt.Sprintf(record, `namespace="root//incus-f43_<var-lib-incus>" `)), "profile p {\n}\n")
	assert.Equal(t, RestrictedUserns, f.Cause)
	assert.Equal(t, "f43", f.Container.Name)
	require.Len(t, f.Fixes, 3)
	assert.Contains(t, f.Fixes[0].Message, "load the stub: apparmor_parser -r -W -n 'incus-f43_<var-lib-incus>' /etc/apparmor.d/unprivileged_userns")
	assert.Contains(t, f.Fixes[1].Message, "apparmor_parser -r -W -n 'incus-f43_<var-lib-incus>'")
	assert.Contains(t, f.Fixes[1].Rule, "profile podman ")
	assert.Empty(t, f.Fixes[1].Edits, "the host has no use for the profile")

	f = explained(t, apparmorRecord(fmt.Sprintf(record, "")), "profile p {\n}\n")
	require.Len(t, f.Fixes, 3)
	assert.NotEmpty(t, f.Fixes[0].Edits)
	assert.Contains(t, f.Fixes[1].Message, "load the stub: apparmor_parser -r -W /etc/apparmor.d/unprivileged_userns")

	inside := strings.Replace(stubbed(101, 7, "podman"), `profile="unpriv`, `namespace="root//incus-f43_<var-lib-incus>" profile="unpriv`, 1)
	f = explained(t, inside, "profile p {\n}\n")
	assert.Equal(t, RestrictedUserns, f.Cause)
	assert.Contains(t, f.Fixes[0].Message, "apparmor_parser -r -W -n 'incus-f43_<var-lib-incus>'")
}

// Who was moved does not depend on the order in which parts of a log are read, nor on the
// filter, nor on whether a record is one more of its form.
func TestUsernsOrder(t *testing.T) {
	lines := []string{moved(100, 7, "chrome", ""), moved(100, 8, "nsjail", ""), moved(101, 9, "nsjail", ""), stubbed(101, 9, "nsjail"), stubbed(102, 7, "chrome")}
	want := ""
	for range 20 {
		rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		x, session := New(library.New(t.TempDir(), nil)), NewSession(nil, Filter{Profiles: []string{"unprivileged_userns"}})
		for _, line := range lines {
			denials, _ := parser.Scan(nil, parser.Block{Body: []byte(line)})
			session.Add(denials[0])
		}
		got := ""
		for _, f := range x.ExplainAll(session.Findings()) {
			got += f.Why + strings.Join(f.Notes, "; ") + "\n"
		}
		if want == "" {
			want = got
		}
		assert.Equal(t, want, got)
	}
	assert.Contains(t, want, "process 9 says that nsjail")
	assert.Contains(t, want, "process 7 says that chrome")
}

// A process can write no such record.
func TestUsernsForged(t *testing.T) {
	log := strings.Replace(moved(100, 9, "innocent", ""), "type=AVC", "type=USER_AVC", 1) + stubbed(101, 9, "nsjail")
	denials, _ := parser.Scan(nil, parser.Block{Body: []byte(log)})
	g := NewGroup(nil, Filter{})
	for _, d := range denials {
		if d.AppArmor.Operation == "userns_create" {
			d.Event.Records[d.Record].Origin.UserSpace = true
		}
		g.Add(d)
	}
	assert.Empty(t, g.Findings()[0].creators)
}
