package binary

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// maxBelow bounds the states that are looked at for what is granted below a
// directory. docker-default has some 200.
const maxBelow = 1 << 12

// noteBelow says the widest directory of a name below which nothing grants what is
// missing to the user that asks, "" if that is too much to find out.
func (p *Profile) noteBelow(q apparmor.FileRequest, missing apparmor.Perms) string {
	if p.file == nil || missing&(missing-1) != 0 || !strings.HasPrefix(q.Path, "/") {
		return "" // of several permissions each would need its own
	}
	var bit uint32
	for _, m := range fileMap {
		if m.perm == missing {
			bit = m.bit
		}
	}
	dir := "/"
	for {
		grants, known := p.below(dir, bit, q.Owner)
		if !known {
			return ""
		}
		if !grants {
			return fmt.Sprintf("nothing in the loaded profile grants %s below %s", missing, dir)
		}
		next := strings.IndexByte(q.Path[len(dir):], '/')
		if next < 0 {
			return fmt.Sprintf("the loaded profile grants %s to other names below %s", missing, dir)
		}
		dir = q.Path[:len(dir)+next+1]
	}
}

// below reports whether a name that begins with dir is granted a permission.
func (p *Profile) below(dir string, bit uint32, owner bool) (grants, known bool) {
	states := []uint32{p.file.match(dir)}
	seen := map[uint32]bool{states[0]: true, 0: true}
	for len(states) > 0 && states[0] != 0 {
		s := states[len(states)-1]
		states = states[:len(states)-1]
		if found := p.file.filePerms(s, owner); found.allow&^found.deny&bit != 0 {
			return true, true
		}
		for c := 1; c < equivalents; c++ {
			if next := p.file.dfa.match(s, string([]byte{byte(c)})); !seen[next] {
				if len(seen) > maxBelow {
					return false, false
				}
				seen[next] = true
				states = append(states, next)
			}
		}
	}
	return false, true
}
