package report

import (
	"strings"

	"github.com/whydenied/whydenied/explain/layer"
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

func isPolicy(name string) bool {
	return name == string(layer.Seccomp) || name == string(layer.AppArmor)
}

// openLayers names those that would have to be known.
func (p *page) openLayers(v *Verdict) {
	var titles []string
	for _, c := range v.Candidates {
		if c.Standing != layer.RuledOut.String() && c.Standing != layer.Unlikely.String() {
			titles = append(titles, layer.Layer(c.Layer).Title())
		}
	}
	text := "not known"
	if len(titles) > 0 {
		text += "; " + strings.Join(titles, ", or ")
	}
	p.wrap(4, 6, append(words(faint, "layer:"), prose(normal, text)...))
}
