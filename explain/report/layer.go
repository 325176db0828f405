package report

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/parser"
)

// A Verdict says which layer of the kernel refused something.
type Verdict struct {
	Layer      string      `json:"layer"`      // see layers in docs/layers.md; "" if it is not known
	Sure       bool        `json:"sure"`       // the layer does refuse this; else it is what remains
	Candidates []Candidate `json:"candidates"` // all layers
}

// A Candidate is one layer, and how it stands.
type Candidate struct {
	Layer    string `json:"layer"`
	Standing string `json:"standing"` // refused, likely, open, unlikely, ruled-out
	Why      string `json:"why"`      // the evidence, by what it is ruled out, or what would decide it
}

// newVerdict returns a verdict as plain data; nil if nothing was judged.
func newVerdict(v layer.Verdict) *Verdict {
	if len(v.Candidates) == 0 {
		return nil
	}
	wire := &Verdict{Layer: string(v.Layer), Sure: v.Sure}
	for _, c := range v.Candidates {
		wire.Candidates = append(wire.Candidates, Candidate{Layer: string(c.Layer), Standing: c.Standing.String(), Why: plain(c.Why)})
	}
	return wire
}

// verdict writes the layer with its evidence, and why it was neither of the two policies;
// or which layers it can be.
func (p *page) verdict(v *Verdict) {
	if v.Layer == "" {
		p.openLayers(v)
		return
	}
	say := func(c Candidate, head ...word) {
		head = append(head, prose(strong, layer.Layer(c.Layer).Title())...)
		p.wrap(4, 6, append(append(head, words(normal, "—")...), prose(normal, c.Why)...))
	}
	for _, c := range v.Candidates {
		switch {
		case c.Layer == v.Layer && v.Sure:
			say(c, words(faint, "layer:")...)
		case c.Layer == v.Layer:
			say(c, words(faint, "layer:", "likely")...)
		}
	}
	for _, c := range v.Candidates {
		if isPolicy(c.Layer) && c.Standing == layer.RuledOut.String() {
			say(c, words(faint, "not:")...)
		}
	}
}

// says reports whether a reason is the one for the layer of the verdict.
func (v *Verdict) says(why string) bool {
	return slices.ContainsFunc(v.Candidates, func(c Candidate) bool { return c.Layer == v.Layer && c.Why == why })
}

func isPolicy(name string) bool {
	return name == string(layer.Seccomp) || name == string(layer.AppArmor)
}

// open returns the titles of the layers that would have to be known.
func (v *Verdict) open() (titles []string) {
	for _, c := range v.Candidates {
		if c.Standing != layer.RuledOut.String() && c.Standing != layer.Unlikely.String() {
			titles = append(titles, layer.Layer(c.Layer).Title())
		}
	}
	return titles
}

// openLayers names those that would have to be known.
func (p *page) openLayers(v *Verdict) {
	titles := v.open()
	text := "not known"
	if len(titles) > 0 {
		text += "; " + strings.Join(titles, ", or ")
	}
	p.wrap(4, 6, append(words(faint, "layer:"), prose(normal, text)...))
}

// newModule returns what another security module refused as plain data.
func newModule(o *parser.Other) *Module {
	wire := &Module{Name: o.Module.String(), Access: plain(o.Access), Class: plain(o.Class), Object: plain(o.Name), Target: plain(o.Target), Domain: plain(o.Domain)}
	switch o.Module {
	case parser.SELinux, parser.Smack:
		wire.Layer = string(layer.SELinux)
	case parser.LandlockAccess:
		wire.Name, wire.Layer = "Landlock", string(layer.Landlock)
	default:
		wire.Layer = string(layer.Integrity)
	}
	return wire
}

// moduleSentence words what another security module refused: "read of file x
// (system_u:object_r:shadow_t:s0), by SELinux".
func moduleSentence(m *Module) []escape.Text {
	what := escape.Prose(m.Access)
	isSELinux := m.Name == parser.SELinux.String() // whose class is a noun
	if m.Object != "" || isSELinux && m.Class != "" {
		what = append(what, "of")
	}
	if isSELinux {
		what = append(what, escape.Prose(m.Class)...)
	}
	if m.Object != "" {
		what = append(what, escape.Name(m.Object))
	}
	if m.Target != "" {
		what = append(what, escape.Fields("("+escape.Line(m.Target)+")")...)
	}
	what = append(what, escape.Words("by %", m.Name)...)
	if m.Domain != "" {
		what = append(what, escape.Words("(domain %)", m.Domain)...)
	}
	return what
}
