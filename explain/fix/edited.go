package fix

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// maxEdited bounds the edited profiles that are kept.
const maxEdited = 32

// edited is Library.Tried. Fixes of many accesses include the same abstraction, and a
// profile that was compiled for one need not be for the next.
func (p *Proposer) edited(edits []rules.Edit, profile *apparmor.Profile) *apparmor.Profile {
	var key strings.Builder
	for _, e := range edits {
		if !strings.HasPrefix(strings.TrimSpace(e.New), "include") {
			return p.Library.Tried(edits, profile)
		}
		fmt.Fprintf(&key, "%p %p %d %d %q ", profile, e.At.File, e.At.Span.Start, e.At.Span.End, e.New)
	}
	known, ok := p.included[key.String()]
	if !ok {
		if len(p.included) >= maxEdited {
			clear(p.included)
		}
		known = p.Library.Tried(edits, profile)
		p.included[key.String()] = known
	}
	return known
}
