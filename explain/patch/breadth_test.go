package patch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/fix"
)

func TestBreadth(t *testing.T) {
	numbers := read("/srv/n/1", "/srv/n/2", "/srv/n/3", "/srv/n/4", "/srv/n/5")
	made := opened(1, "/srv/d/tmp.0aZ3bYx9Qk", "w", 0)
	for _, c := range []struct {
		name, log, profile      string
		exact, names, dir, tree string // the rules that are added
	}{
		{"one file", read("/srv/a/b/f"), "", "/srv/a/b/f r,", "/srv/a/b/f r,", "/srv/a/b/* r,", "/srv/a/b/** r,"},
		{"two folders", read("/srv/a/b/f", "/srv/a/f"), "", "/srv/a/b/f r, /srv/a/f r,", "/srv/a/b/f r, /srv/a/f r,", "/srv/a/* r, /srv/a/b/* r,", "/srv/a/** r,"},
		{"two permissions", read("/srv/a/f") + opened(2, "/srv/a/g", "w", 5), "", "/srv/a/f r, /srv/a/g w,", "/srv/a/f r, /srv/a/g w,", "/srv/a/* rw,", "/srv/a/** rw,"},
		{"two owners", opened(1, "/srv/a/f", "r", 0) + opened(2, "/srv/a/g", "r", 5), "", "/srv/a/g r, owner /srv/a/f r,", "/srv/a/g r, owner /srv/a/f r,", "/srv/a/* r,", "/srv/a/** r,"},
		{"numbers", numbers, "", "/srv/n/1 r, /srv/n/2 r, /srv/n/3 r, /srv/n/4 r, /srv/n/5 r,", "/srv/n/[0-9] r,", "/srv/n/* r,", "/srv/n/** r,"},
		{"a name by chance", made, "", "owner /srv/d/tmp.0aZ3bYx9Qk w,", "owner /srv/d/tmp.?????????? w,", "owner /srv/d/* w,", "owner /srv/d/** w,"},
		{"a process", read("/proc/77/net/x"), "", "/proc/[0-9]*/net/x r,", "/proc/[0-9]*/net/x r,", "/proc/[0-9]*/net/* r,", "/proc/[0-9]*/net/** r,"},
		{"a folder itself", read("/srv/a/"), "", "/srv/a/ r,", "/srv/a/ r,", "/srv/a/ r,", "/srv/a/ r,"},
		{"a program", strings.Replace(opened(1, "/srv/a/f", "x", 5), `"open"`, `"exec"`, 1), "", "/srv/a/f rix,", "/srv/a/f rix,", "/srv/a/f rix,", "/srv/a/f rix,"},
		{"a folder of what is dangerous", read("/etc/a"), "", "/etc/a r,", "/etc/a r,", "/etc/a r,", "/etc/a r,"},
		{"what is as dangerous as its folder", read("/root/.ssh/a"), "", "/root/.ssh/a r,", "/root/.ssh/a r,", "/root/.ssh/* r,", "/root/.ssh/** r,"},
		{"a rule of this breadth that lacks it", read("/srv/a/f"), "  /srv/a/* w,\n", "/srv/a/f r,", "/srv/a/f r,", "/srv/a/* rw,", "/srv/a/** r,"},
		{"a rule for this name that lacks it", read("/srv/a/f"), "  /srv/a/f w,\n", "/srv/a/f rw,", "/srv/a/f rw,", "/srv/a/* r,", "/srv/a/** r,"},
		{"a home directory, with what is secret in it", read("/root/.gitconfig"), "", "/root/.gitconfig r,", "/root/.gitconfig r,", "/root/.gitconfig r,", "/root/.gitconfig r,"},
		{"a space", read("/srv/a b/f"), "", `"/srv/a b/f" r,`, `"/srv/a b/f" r,`, `"/srv/a b/*" r,`, `"/srv/a b/**" r,`},
		{"the root", read("/f"), "", "/f r,", "/f r,", "/* r,", "/f r,"},
	} {
		for breadth, want := range map[fix.Breadth]string{fix.Exact: c.exact, fix.OfNames: c.names, fix.OfFolder: c.dir, fix.OfTree: c.tree} {
			word, err := breadth.MarshalText()
			require.NoError(t, err)
			t.Run(c.name+" "+string(word), func(t *testing.T) {
				p := patchedTo(t, breadth, c.log, "profile p {\n"+c.profile+"}\n", nil)
				assert.Empty(t, p.Left)
				require.Len(t, p.Changes, 1)
				assert.Equal(t, want, addedRules(p.Changes[0].New, c.profile))
			})
		}
	}
}

// addedRules are the rules of a profile that it did not have before, in one line.
func addedRules(text, before string) string {
	var added []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); strings.HasSuffix(line, ",") && !strings.Contains(before, "  "+line+"\n") {
			added = append(added, line)
		}
	}
	return strings.Join(added, " ")
}

// Each rule says what it grants beyond, and one that is kept to its name why.
func TestBreadthSays(t *testing.T) {
	p := patchedTo(t, fix.OfFolder, read("/srv/a/f", "/srv/a/g", "/etc/h"), "profile p {\n}\n", nil)
	require.Len(t, p.Remedies, 3)
	assert.Empty(t, p.Offers)
	assert.Contains(t, p.Remedies[0].Fix.Grants, "r on everything that /srv/a/* names")
	assert.Equal(t, p.Remedies[0].Fix, p.Remedies[1].Fix)
	assert.Contains(t, p.Remedies[2].Fix.Message, "add a rule for this path alone, not for all files in /etc: among the files is")
	assert.Contains(t, p.Remedies[2].Fix.Message, "password hashes")
	assert.Contains(t, p.Remedies[2].Fix.Proof, "nothing else is")
}

func TestBreadthWords(t *testing.T) {
	var b fix.Breadth
	assert.Equal(t, fix.OfNames, b, "the default")
	require.NoError(t, b.UnmarshalText([]byte("tree")))
	assert.Equal(t, fix.OfTree, b)
	assert.EqualError(t, b.UnmarshalText([]byte("all\x1b")), `"all\x1b" is none of exact, name, dir, tree`)
}
