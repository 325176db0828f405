package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
)

// proposed are the rules of the fixes of a record, with profile p and the files of a
// profile directory.
func proposed(t *testing.T, record, profile string, files map[string]string) (texts []string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	file := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(file, []byte(profile), 0o600))
	x := New(library.New(dir, nil))
	_, _, err := x.Library.AddProfile(file)
	require.NoError(t, err)
	g := NewGroup(nil, Filter{})
	for _, d := range denials(t, record) {
		g.Add(d)
	}
	for _, fix := range x.ExplainAll(g.Findings())[0].Fixes {
		texts = append(texts, fix.Rule)
	}
	return texts
}

const variables = "@{PROC}=/proc/\n@{sys}=/sys/\n@{run}=/run/ /var/run/\n@{HOMEDIRS}=/home/\n@{HOME}=@{HOMEDIRS}/*/ /root/\n@{etc_ro}=/etc/ /usr/etc/\n@{pid}=[0-9]*\n"

// What varies from host to host is spelt as the profile spells it, and files of the system
// have no owner.
func TestSpelling(t *testing.T) {
	const base = "abstractions/base"
	all := "@{PROC}/stat r,\n@{sys}/devices/x r,\n@{run}/x r,\nowner @{HOME}/.Private/** r,\n@{etc_ro}/x r,\n"
	for _, c := range []struct {
		name, path string
		ouid       int
		own        string // rules beside the include
		rules      []string
	}{
		{"/run by what the profile includes", "/run/app/x", 5, "", []string{"@{run}/app/x r,"}},
		{"/run as the profile itself has it", "/run/app/x", 5, "/run/app/y r,\n", []string{"/run/app/x r,"}},
		{"/run as the profile itself spells it", "/run/app/x", 5, "@{run}/app/y r,\n/run/app/z r,\n", []string{"@{run}/app/x r,"}},
		{"/sys", "/sys/devices/y", 0, "", []string{"@{sys}/devices/y r,"}},
		{"/proc", "/proc/sys/vm/x", 0, "", []string{"@{PROC}/sys/vm/x r,"}},
		{"/proc of a process", "/proc/77/stat", 0, "", []string{"owner @{PROC}/@{pid}/stat r,"}},
		{"what is of that file alone", "/etc/y", 5, "", []string{"/etc/y r,"}},
		{"a home directory", "/home/u1/.config/x", 0, "", []string{"owner @{HOME}/.config/x r,", "owner /home/u1/.config/x r,"}},
		{"a random name in a home directory", "/home/u1/.config/tmp.0aZ3bYx9Qk", 0, "", []string{"owner @{HOME}/.config/tmp.?????????? r,", "owner /home/u1/.config/tmp.0aZ3bYx9Qk r,"}},
		{"root's", "/root/.config/x", 0, "", []string{"owner /root/.config/x r,", "owner @{HOME}/.config/x r,"}},
		{"a file of the system", "/etc/y", 0, "", []string{"/etc/y r,"}},
		{"a file of root", "/srv/y", 0, "", []string{"owner /srv/y r,"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := apparmorRecord(fmt.Sprintf(`apparmor="DENIED" operation="open" profile="p" name=%q pid=77 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=%d`, c.path, c.ouid))
			got := proposed(t, record, variables+"profile p {\ninclude <"+base+">\n"+c.own+"}\n", map[string]string{base: all})
			assert.Equal(t, c.rules, got)
		})
	}
}

// An abstraction is proposed that is about what was refused, not one that grants it too.
func TestAbstractions(t *testing.T) {
	files := map[string]string{
		"tunables/global":          "",
		"abstractions/nameservice": "/etc/nsswitch.conf r,\n/etc/hosts r,\nnetwork inet stream,\n",
		"abstractions/keys":        "/etc/ssl/** r,\n",
		"abstractions/certs":       "/etc/ssl/certs/* r,\n/usr/share/certs/** r,\n/usr/local/share/certs/** r,\n",
		"abstractions/bus":         "dbus send bus=session,\n/etc/bus r,\n",
		"abstractions/anything":    "/** r,\n",
	}
	file := `operation="open" profile="p" name="%s" pid=77 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=5`
	for record, name := range map[string]string{
		fmt.Sprintf(file, "/etc/nsswitch.conf"): "nameservice",
		fmt.Sprintf(file, "/etc/ssl/certs/a"):   "certs",
		fmt.Sprintf(file, "/etc/ssl/private/a"): "keys",
		fmt.Sprintf(file, "/srv/a"):             "",
		`operation="create" class="net" profile="p" pid=7 comm="c" family="inet" sock_type="stream" protocol=6 requested_mask="create" denied_mask="create"`:    "",
		`operation="dbus_method_call" bus="session" path="/x" interface="i" member="m" mask="send" name="n" pid=7 label="p" peer_pid=8 peer_label="unconfined"`: "bus",
	} {
		got := proposed(t, apparmorRecord(`apparmor="DENIED" `+record), "profile p {\n}\n", files)
		var included []string
		for _, text := range got {
			if include, ok := strings.CutPrefix(text, "include <abstractions/"); ok {
				included = append(included, strings.TrimSuffix(include, ">"))
			}
		}
		assert.Equal(t, name, strings.Join(included, " "), record)
	}
}

// What usually comes next is offered with what was refused, after it.
func TestNext(t *testing.T) {
	lock := apparmorRecord(`apparmor="DENIED" operation="open" profile="p" name="/srv/x.lock" pid=7 comm="c" requested_mask="wrc" denied_mask="wrc" fsuid=0 ouid=5`)
	assert.Equal(t, []string{"/srv/x.lock rw,", "/srv/x.lock rwk,"}, proposed(t, lock, "profile p {\n}\n", nil))
	mount := apparmorRecord(`apparmor="DENIED" operation="mount" profile="p" pid=7 comm="c" fstype="ext4" srcname="/dev/sda" name="/mnt/" flags="rw"`)
	rule := "mount fstype=ext4 options=(rw) /dev/sda -> /mnt/,"
	assert.Equal(t, []string{rule, rule + "\numount /mnt/,"}, proposed(t, mount, "profile p {\n}\n", nil))
}
