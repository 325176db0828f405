package apparmor_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
)

var (
	deadProfiles = flag.Int("dead-profiles", 20, "how many generated profiles to look for dead rules in")
	deadDirs     = flag.String("dead-dirs", "", "directories of profiles to look for dead rules in, such as /etc/apparmor.d, which takes long")
)

// textsOf returns the source of rules.
func textsOf(list []apparmor.Rule) (texts []string) {
	for _, r := range list {
		texts = append(texts, r.Location().Text())
	}
	return texts
}

func TestDead(t *testing.T) {
	for _, c := range []struct {
		name, body string
		dead       []string
		undecided  []string
	}{
		{"nothing", "/a r,\n/b w,", nil, nil},
		{"covered", "/etc/* r,\n/etc/hosts r,", []string{"/etc/hosts r,"}, nil},
		{"covered by several together", "/{a,b} r,\n/a rw,\nowner /b r,\n/b rw,", []string{"/{a,b} r,", "owner /b r,"}, nil},
		{"the later of two alike", "/a r,\n/b r,\n/a r,", []string{"/a r,"}, nil},
		{"one of two that cover each other", "/{a,b} r,\n/a r,\n/b r,", []string{"/a r,", "/b r,"}, nil},
		{"a permission more", "/etc/* r,\n/etc/hosts rk,", nil, nil},
		{"w holds a", "/a w,\n/a a,", []string{"/a a,"}, nil},
		{"of the owner", "owner /a r,\n/a r,", []string{"owner /a r,"}, nil},
		{"of others besides", "owner /* r,\n/a r,", nil, nil},
		{"denied", "/a r,\ndeny /a r,", []string{"/a r,"}, nil},
		{"denied aloud: without the deny rule it is granted", "/a r,\naudit deny /* r,", []string{"/a r,"}, nil},
		{"denied in part", "/* r,\ndeny /a r,", nil, nil},
		{"a deny rule silences", "deny /a r,", nil, nil},
		{"a deny rule of another", "deny /** w,\ndeny /a w,", []string{"deny /a w,"}, nil},
		{"logs what it grants", "/a r,\naudit /a r,", []string{"/a r,"}, nil},
		{"logs", "/** r,\naudit /a r,", nil, nil},
		{"executes otherwise", "/bin/* ix,\n/bin/a px,", nil, nil},
		{"executes alike", "/bin/* pix,\n/bin/a pix,", []string{"/bin/a pix,"}, nil},
		{"links", "/a l,\nlink /a -> /b,\nlink subset /a -> /b,", []string{"link /a -> /b,", "link subset /a -> /b,"}, nil},
		{"capabilities", "capability chown kill,\ncapability kill,\ncapability setuid,", []string{"capability kill,"}, nil},
		{"capabilities of two", "capability chown kill,\ncapability kill,\ncapability chown,", []string{"capability kill,", "capability chown,"}, nil},
		{"sockets", "network inet,\nnetwork inet stream,\nnetwork inet6 dgram,", []string{"network inet stream,"}, nil},
		{"signals", "signal send,\nsignal send set=term peer=a,\nsignal receive,", []string{"signal send set=term peer=a,"}, nil},
		{"mounts", "mount fstype=tmpfs,\nmount fstype=tmpfs -> /a/,\nmount fstype=proc -> /a/,", []string{"mount fstype=tmpfs -> /a/,"}, nil},
		{"limits", "set rlimit nofile <= 10,\nset rlimit nofile <= 10,\nset rlimit core <= 1,", []string{"set rlimit nofile <= 10,"}, nil},
		{"limits of two values", "set rlimit nofile <= 10,\nset rlimit nofile <= 20,\nset rlimit nofile <= 10,", nil, nil},
		{"changes of profile", "change_profile -> a,\nchange_profile -> {a,b},", []string{"change_profile -> a,"}, nil},
		{"the only change of profile", "change_profile -> a,\n/proc/*/attr/{apparmor/,}{current,exec} w,", nil, nil},
		{"a file rule that a change of profile takes away", "change_profile -> /x,\n/x r,\n/* r,", nil, []string{"/x r,"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy, problems := (&apparmor.Loader{}).Load(rules.NewFile("p", "abi <abi/3.0>,\nprofile p {\n"+c.body+"\n}\n"))
			for _, p := range problems {
				require.NotEqual(t, rules.Error, p.Severity, "%s", p)
			}
			dead, undecided := policy.Profiles[0].Dead()
			assert.Equal(t, c.dead, textsOf(dead))
			assert.Equal(t, c.undecided, textsOf(undecided))
		})
	}
}

// Of a profile that grants whatever it does not name, no rule is judged.
func TestDeadUndecided(t *testing.T) {
	for _, head := range []string{"profile p flags=(unconfined) {", "profile p flags=(default_allow) {", "profile p {\n what is this,"} {
		policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("p", head+"\n /a r,\n /a r,\n}\n"))
		dead, undecided := policy.Profiles[0].Dead()
		assert.Empty(t, dead, head)
		assert.Len(t, undecided, 2, head)
	}
}

// TestDeadAsCompiled removes what is dead from generated profiles, one rule and all at once, and
// holds that apparmor_parser compiles the same.
func TestDeadAsCompiled(t *testing.T) {
	tool := apparmor.ParserTool(t)
	w := apparmor.NewWriter(23)
	dead, undecided, all := 0, 0, 0
	for range *deadProfiles {
		text := apparmor.Preamble + w.Profile("p")
		policy := loadFor30(t, text)
		if len(policy.Profiles[0].ExecConflicts()) > 0 {
			continue
		}
		found, unknown := policy.Profiles[0].Dead()
		all, dead, undecided = all+len(policy.Profiles[0].Rules), dead+len(found), undecided+len(unknown)
		if len(found) == 0 {
			continue
		}
		whole := compiled(t, tool, apparmor.Features, text)
		less := func(list []apparmor.Rule) {
			var edits []rules.Edit
			for _, r := range list {
				edit, ok := apparmor.RemoveRule(r)
				require.True(t, ok)
				edits = append(edits, edit)
			}
			changes, err := rules.Apply(edits)
			require.NoError(t, err)
			sameCompiled(t, whole, compiled(t, tool, apparmor.Features, changes[0].New), strings.Join(textsOf(list), " ")+"\n"+text)
		}
		for i := range found {
			less(found[i : i+1])
		}
		less(found)
	}
	t.Logf("%d of %d rules are dead, %d not judged", dead, all, undecided)
	assert.NotZero(t, dead)
}

// sameCompiled holds that two compiled policies are the same, or of the same language.
func sameCompiled(t *testing.T, a, b []byte, about string) {
	t.Helper()
	if bytes.Equal(a, b) {
		return
	}
	x, y := decoded(t, a), decoded(t, b)
	for name, p := range x {
		require.Contains(t, y, name)
		differences, full := binary.Compare(p, y[name])
		assert.True(t, full, "%s\n%s", name, about)
		assert.Empty(t, differences, "%s\n%s", name, about)
	}
	t.Logf("compiled to other bytes of the same language: %s", about)
}

// TestDeadOfDebian does that for the profiles of packages, with what they include. It compiles
// each profile for each rule, which takes many minutes, and so runs by hand.
func TestDeadOfDebian(t *testing.T) {
	if *deadDirs == "" {
		t.Skip("needs -dead-dirs")
	}
	tool := apparmor.ParserTool(t)
	var dead, undecided, all, profiles atomic.Int64
	t.Run("files", func(t *testing.T) {
		for dir := range strings.SplitSeq(*deadDirs, ":") {
			names, err := apparmor.PolicyFiles(nil, dir)
			require.NoError(t, err)
			base := "/etc/apparmor.d"
			if filepath.Base(dir) == "apparmor.d" {
				base = dir
			}
			for _, name := range names {
				t.Run(filepath.Base(name), func(t *testing.T) {
					t.Parallel()
					loader := &apparmor.Loader{Target: apparmor.Target{Parser: "3.0.8"}, Include: []string{base}}
					policy, problems, err := loader.LoadFile(name)
					require.NoError(t, err)
					if len(rules.Errors(problems)) > 0 {
						t.Skip("not of this parser")
					}
					for _, p := range policy.Profiles {
						found, unknown := p.Dead()
						if len(found) > 0 {
							deadOnDisk(t, tool, base, name, p, found)
						}
						profiles.Add(1)
						all.Add(int64(len(p.Rules)))
						dead.Add(int64(len(found)))
						undecided.Add(int64(len(unknown)))
						t.Logf("%s: %d of %d rules are dead, %d not judged", p.Name, len(found), len(p.Rules), len(unknown))
					}
				})
			}
		}
	})
	t.Logf("%d of %d rules of %d profiles are dead, %d not judged", dead.Load(), all.Load(), profiles.Load(), undecided.Load())
}

// deadOnDisk removes dead rules from copies of the files that they stand in, one and all at once.
func deadOnDisk(t *testing.T, tool, base, name string, p *apparmor.Profile, dead []apparmor.Rule) {
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(copied, os.DirFS(base)))
	compileCopy := func(edits []rules.Edit) []byte {
		changes, err := rules.Apply(edits)
		require.NoError(t, err)
		file := name
		for _, c := range changes {
			to := filepath.Join(copied, "changed.profile")
			if in, err := filepath.Rel(base, c.File.Name); err == nil && !strings.HasPrefix(in, "..") {
				to = filepath.Join(copied, in)
			}
			if c.File.Name == name {
				file = to
			}
			require.NoError(t, os.WriteFile(to, []byte(c.New), 0o600))
			defer func() { require.NoError(t, os.WriteFile(to, []byte(c.File.Text), 0o600)) }()
		}
		out, err := exec.Command(tool, "-Q", "-K", "-q", "-S", "--config-file", os.DevNull, "-M", apparmor.Features, "-b", copied, file).Output()
		require.NoError(t, err, "%s %v", file, edits)
		return out
	}
	whole := decoded(t, compileCopy(nil))[p.Name]
	require.NotNil(t, whole, p.Name)
	less := func(list []apparmor.Rule) {
		var edits []rules.Edit
		for _, r := range list {
			if edit := (rules.Edit{At: r.Location()}); !slices.Contains(edits, edit) {
				edits = append(edits, edit)
			}
		}
		differences, full := binary.Compare(whole, decoded(t, compileCopy(edits))[p.Name])
		assert.True(t, full, "%s %s", name, p.Name)
		assert.Empty(t, differences, "%s %s %q", name, p.Name, textsOf(list))
	}
	for i := range dead[:min(len(dead), 6)] {
		less(dead[i : i+1])
	}
	less(dead)
}
