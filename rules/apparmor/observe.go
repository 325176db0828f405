package apparmor

import (
	"iter"
	"regexp"

	"github.com/whydenied/whydenied/rules"
)

// observed begins a file whose deny rules Observe had logged.
const observed = "# Diagnostic, to be removed: whydenied observe had the deny rules of this file logged.\n"

// Observe returns the edits of a policy's own file that have its deny rules logged,
// which refuse as before: they get the word audit. What is included and has some is
// copied in place of its include. There are no edits if all are logged already. The
// policy is one that the loader has read.
func (l *Loader) Observe(policy *Policy) ([]rules.Edit, error) {
	own := l.inlineDenies(policy)
	edits := auditDenies(own)
	if len(edits) == 0 {
		return nil, nil
	}
	edits, _ = rules.Merge(append([]rules.Edit{{At: rules.Location{File: own.Files[0]}, New: observed}}, edits...))
	changes, err := rules.Apply(edits)
	if err != nil {
		return nil, err
	}
	return rules.Change{File: policy.Files[0], New: changes[0].New}.LineEdits(), nil
}

// inlineDenies copies what a policy includes into its file where deny rules that
// are not logged come of it.
func (l *Loader) inlineDenies(policy *Policy) *Policy {
	const most = 100 // includes, one in another
	for range most {
		var edits []rules.Edit
		for p, r := range quietDenies(policy) {
			if edit, ok := p.Inline(r); ok {
				edits = append(edits, edit)
			}
		}
		edits, _ = rules.Merge(edits)
		changes, err := rules.Apply(edits)
		if err != nil || len(changes) == 0 {
			break
		}
		policy, _ = l.Load(rules.NewFile(policy.Files[0].Name, changes[0].New))
	}
	return policy
}

// priority is the only qualifier that must stand before audit.
var priority = regexp.MustCompile(`^priority\s*=\s*[-+]?\d+\s+`)

// auditDenies returns the edits that have the deny rules of a policy's own file
// logged.
func auditDenies(policy *Policy) (edits []rules.Edit) {
	for _, r := range quietDenies(policy) {
		at := r.Location()
		if at.File != policy.Files[0] {
			continue
		}
		at.Span.Start += len(priority.FindString(at.Text()))
		at.Span.End = at.Span.Start
		edits = append(edits, rules.Edit{At: at, New: "audit "})
	}
	return edits
}

// quietDenies are the deny rules that refuse unlogged.
func quietDenies(policy *Policy) iter.Seq2[*Profile, Rule] {
	return func(yield func(*Profile, Rule) bool) {
		for _, p := range policy.Profiles {
			for _, r := range p.Rules {
				if h := r.Head(); h.Deny && !h.Audit && !yield(p, r) {
					return
				}
			}
		}
	}
}
