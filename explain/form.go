package explain

import (
	"cmp"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A form is what a Group knows of a parser.Form, so that its repeats need not be parsed.
type form struct {
	subject container.Subject // of all its records, but for PID, Time and Exe
	mode    parser.Mode
	answers bool                // the process got SIGSYS; see sigsys
	moves   bool                // see IsUsernsMove
	made    container.Container // by the product that made its profile; see byProduct

	// Which finding its records are of, by container: of most there is one.
	first   string
	finding *Finding
	others  map[string]*Finding
}

// maxForms bounds the forms that are known: beyond, all are forgotten and learnt again.
const maxForms = 1 << 15

// A formKey is a parser.Form with the label of the process, which other records may tell.
type formKey struct {
	*parser.Form
	label string
}

// learn knows the form of a denial from now on.
func (g *Group) learn(d *parser.Denial) {
	key := formKey{d.Form, d.Subject.Label}
	if d.Form == nil || g.forms[key] != nil {
		return
	}
	if len(g.forms) >= maxForms {
		clear(g.forms)
	}
	g.forms[key] = &form{subject: subject(d), mode: d.Mode, answers: d.Seccomp != nil && answers(d.Seccomp), moves: IsUsernsMove(d), made: byProduct(d, container.Container{})}
}

// folds notes that in a container the records of a form are of a finding.
func (k *form) folds(c *container.Container, f *Finding) {
	name := nameOf(c)
	switch {
	case k.finding == nil || k.first == name:
		k.first, k.finding = name, f
	case k.others == nil:
		k.others = map[string]*Finding{name: f}
	default:
		k.others[name] = f
	}
}

// of returns the finding of the form's records in a container, nil if there is none so far.
func (k *form) of(c *container.Container) *Finding {
	name := nameOf(c)
	if k.first == name {
		return k.finding
	}
	return k.others[name]
}

// nameOf is what tells containers apart; see appendKey.
func nameOf(c *container.Container) string { return cmp.Or(c.Name, c.ID) }

// AddRepeat is Add of what r.Denial returns. It seldom has to be parsed for that. If there is
// a Find, r must have its Exe.
func (s *Session) AddRepeat(r *parser.Repeat) (f *Finding, isNew bool) {
	k := s.forms[formKey{r.Form, r.Label}]
	if k == nil {
		return s.Add(r.Denial())
	}
	if s.seen.DuplicateRepeat(r) {
		s.Duplicates++
		if s.undated && !r.Time.IsZero() && !r.Form.Yearless {
			d := r.Denial()
			s.date(&d)
		}
		return nil, false
	}
	if k.answers {
		s.sent.note(r.PID, r.Time)
	}
	return s.addRepeat(k, r)
}

// addRepeat is Add of a repeat.
func (g *Group) addRepeat(k *form, r *parser.Repeat) (f *Finding, isNew bool) {
	var c container.Container
	who := k.subject
	who.PID, who.Time, who.Exe = r.PID, r.Time, r.Exe
	if k.moves {
		d := r.Denial()
		g.creators.note(&d)
	}
	if g.Find != nil {
		c = g.Find(who)
	}
	if c.Confidence == container.Unknown && k.made.Name != "" {
		c = k.made
	}
	if !g.Filter.match(&who, r.Label, &c) {
		return nil, false
	}
	if k.mode == parser.Status || k.mode == parser.Audited {
		g.Denials[k.mode]++
		return nil, false
	}
	f = k.of(&c)
	if f == nil || isEarlier(r, &f.Denial) {
		f, isNew = g.add(r.Denial(), c)
		k.folds(&c, f)
		return f, isNew
	}
	g.Denials[k.mode]++
	if f.Further != nil {
		g.Beyond++
	}
	dated := !r.Time.IsZero() && !r.Form.Yearless
	g.undated = g.undated || !dated
	f.count(r.Time, r.Serial, dated)
	return f, false
}

// isEarlier reports whether a repeat is before a denial, as compare has it.
func isEarlier(r *parser.Repeat, d *parser.Denial) bool {
	if c := r.Time.Compare(d.Time); c != 0 {
		return c < 0
	}
	record := &d.Event.Records[d.Record]
	return cmp.Or(cmp.Compare(r.Serial, record.Serial), cmp.Compare(r.File(), record.Origin.File), cmp.Compare(r.Line, record.Origin.Line)) < 0
}

// answers reports whether a filter's answer is SIGSYS.
func answers(c *parser.Seccomp) bool {
	switch seccomp.Action(c.Code) {
	case seccomp.Trap, seccomp.KillProcess, seccomp.KillThread:
		return true
	}
	return false
}
