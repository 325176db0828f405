package library

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Userns returns a policy for a program, as a file that is not there yet: a profile that
// confines nothing, but by which the host lets it create user namespaces where it lets
// no program without a profile do that (kernel.apparmor_restrict_unprivileged_userns of
// Ubuntu). attachment is the expression of the program's path, as a profile has it; the text says so
// where it is assumed.
func (l *Library) Userns(program, attachment string, assumed bool) *apparmor.Policy {
	name, comment := plainName(program), ""
	if assumed {
		comment = "# No record says where the program lies. Compare the path with that of its file\n# (readlink -f), and put that in its place.\n"
	}
	for l.Profile(container.Container{}, name) != nil || l.isFile(name) {
		name += "-userns"
	}
	text := fmt.Sprintf(`abi <abi/4.0>,
include <tunables/global>

%[3]sprofile %[1]s %[2]s flags=(unconfined) {
  userns,

  include if exists <local/%[1]s>
}
`, name, attachment, comment)
	policy, _ := l.loadAlways(rules.NewFile(l.tree.Join(l.dir, name), text))
	return policy
}

func (l *Library) isFile(name string) bool {
	_, err := l.tree.ReadListed(l.dir, l.tree.Join(l.dir, name))
	return err == nil
}

// plainName is the name of a program as one of a profile and its file.
func plainName(name string) string {
	name = strings.TrimLeft(name, ".-")
	if name == "" {
		return "program"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, name)
}
