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
	answers bool                 // the process got SIGSYS; see sigsys
	moves   bool                 // see IsUsernsMove
	made    *container.Container // by the product that made its profile, see byProduct; nil if none did

	// What its records are counted in, by container: of most there is one.
	first   string
	counted counted
	others  map[string]counted
}

// A counted is what the records of a form in one container are counted in.
type counted struct {
	*Finding
	container, program *Tallied // see Finding.Containers
}

// maxContainers bounds the containers that a form knows: beyond, they are forgotten and
// learnt again.
const maxContainers = 1 << 10

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
	known := &form{subject: subject(d), mode: d.Mode, answers: d.Seccomp != nil && answers(d.Seccomp), moves: IsUsernsMove(d)}
	if made := byProduct(d, container.Container{}); made.Name != "" {
		known.made = &made
	}
	g.forms[key] = known
}

// folds notes what the records of a form in a container are counted in.
func (k *form) folds(c *container.Container, f *Finding) {
	key := keyOf(c)
	to := counted{f, f.containerOf(c), f.Programs.of(k.subject.Comm, "")}
	switch {
	case k.counted.Finding == nil || k.first == key:
		k.first, k.counted = key, to
	case k.others == nil:
		k.others = map[string]counted{key: to}
	default:
		if len(k.others) >= maxContainers {
			clear(k.others)
		}
		k.others[key] = to
	}
}

// of returns what the form's records in a container are counted in; the finding is nil if
// there was none so far.
func (k *form) of(c *container.Container) counted {
	key := keyOf(c)
	if k.first == key {
		return k.counted
	}
	return k.others[key]
}

// keyOf is what tells containers apart.
func keyOf(c *container.Container) string {
	if c.ID == "" {
		return NameOf(c)
	}
	return c.ID
}

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
	if c.Confidence == container.Unknown && k.made != nil {
		c = *k.made
	}
	if !g.Filter.match(&who, r.Label, &c) {
		return nil, false
	}
	if g.skips(k.mode) {
		g.Denials[k.mode]++
		return nil, false
	}
	known := k.of(&c)
	f = known.Finding
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
	known.container.add()
	known.program.add()
	if g.Counted != nil {
		g.Counted(Counted{Finding: f, Time: r.Time, Serial: r.Serial, PID: r.PID, Node: k.subject.Node, Line: r.Line, Container: known.container, Program: known.program, Made: made(&c)})
	}
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
