package explain

import "github.com/whydenied/whydenied/parser"

// An Ahead explains findings in a goroutine of its own while more are being looked for.
// ExplainAll takes its explanations of those that are the same in the end.
type Ahead struct {
	explainer *Explainer
	waiting   chan *early
	end       chan struct{}
	ended     chan struct{}
}

// An early is a finding as it was when it was found.
type early struct {
	of *Finding
	Finding
}

// An explainedEarly is an explanation of a finding by the denial with a record, that
// these nodes had logged.
type explainedEarly struct {
	record *parser.Record
	node   string
	nodes  bool
	Explanation
}

// holds reports whether the finding is still as it was explained.
func (e *explainedEarly) holds(f *Finding) bool {
	return e.record == &f.Denial.Event.Records[0] && e.node == f.node && e.nodes == f.nodes
}

// maxAhead bounds the findings that wait; those beyond are explained at the end.
const maxAhead = 1024

// Ahead begins to explain ahead. Until End, x must not be used otherwise.
func (x *Explainer) Ahead() *Ahead {
	a := &Ahead{explainer: x, waiting: make(chan *early, maxAhead), end: make(chan struct{}), ended: make(chan struct{})}
	x.early = map[*Finding]explainedEarly{}
	go a.run()
	return a
}

func (a *Ahead) run() {
	defer close(a.ended)
	for {
		select { // the end goes before what waits
		case <-a.end:
			return
		default:
		}
		select {
		case <-a.end:
			return
		case f := <-a.waiting:
			if a.explainer.unsettled(&f.Finding) != nil || f.Denial.AppArmor != nil && isStub(f.Denial.AppArmor.Profile) {
				continue // which text it was, or who was moved there, all records together tell
			}
			a.explainer.early[f.of] = explainedEarly{&f.Denial.Event.Records[0], f.node, f.nodes, a.explainer.Explain(f.Finding)}
		}
	}
}

// Add has a finding explained ahead, as it is now.
func (a *Ahead) Add(f *Finding) {
	if f.Further != nil {
		return // of which the explanation tells what is counted in it
	}
	select {
	case a.waiting <- &early{f, f.Clone()}:
	default:
	}
}

// End stops, and waits for the explanation under way.
func (a *Ahead) End() {
	close(a.end)
	<-a.ended
}

// explainOnce is Explain of a finding that may have been explained ahead.
func (x *Explainer) explainOnce(f *Finding) Explanation {
	if e, ok := x.early[f]; ok && e.holds(f) {
		return e.Explanation
	}
	return x.Explain(*f)
}
