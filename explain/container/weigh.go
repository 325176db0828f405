package container

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// A Call is the system call that a seccomp filter answered, as the record has it. The zero
// Call is of no such record.
type Call struct {
	Arch, Number uint32
	Name         string // in place of Number, where the log has only that
	Code         uint32 // the answer: SECCOMP_RET_*
}

// An Answer is what a container's own filter says to a call.
type Answer struct {
	Known bool   // its filter is known, or it is known that it has none
	Fits  bool   // that answer is the record's
	What  string // the answer, for a sentence: "answers errno", "has no seccomp filter"
}

// FindCall is Find where what the containers' own filters answer is known, too: answer
// is asked for each container that a call can be of. So a record without a label, as
// those of seccomp on hosts without AppArmor, has its container where the filters, the
// times, exit codes and programs leave one.
func (inv *Inventory) FindCall(s Subject, answer func(c *Container, call Call) Answer) Container {
	found := inv.Find(s)
	if inv == nil || answer == nil || s.Call == (Call{}) && s.Signal == 0 || found.Confidence > Low {
		return found
	}
	var possible, earlier []candidate
	var excluded []string
	for i := range inv.Containers {
		c := &inv.Containers[i]
		if !SameNode(c.Node, s.Node) || contradicts(s.Label, c.AppArmorProfile) {
			continue
		}
		var a Answer
		if s.Call != (Call{}) {
			a = answer(c, s.Call)
		}
		again := c.startedSince(s.Time)
		switch {
		case !c.ranAt(s.Time) && again != "" && (!a.Known || a.Fits):
			w := weigh(c, s, a)
			w.reasons = append(w.reasons, again)
			earlier = append(earlier, w)
		case !c.ranAt(s.Time):
			excluded = append(excluded, c.title()+" did not exist then")
		case a.Known && !a.Fits:
			excluded = append(excluded, c.title()+" "+a.What)
		default:
			possible = append(possible, weigh(c, s, a))
		}
	}
	if len(possible) == 0 {
		possible = earlier
	}
	return choose(possible, excluded, found)
}

// A candidate is a container that a record can be of, with what speaks for it.
type candidate struct {
	*Container
	reasons []string
	points  int // the independent things that speak for it
}

// weigh collects what speaks for a container.
func weigh(c *Container, s Subject, a Answer) candidate {
	w := candidate{Container: c}
	add := func(reason string) {
		if reason != "" {
			w.reasons, w.points = append(w.reasons, reason), w.points+1
		}
	}
	if a.Known {
		add("its seccomp filter " + a.What + ", as the record says")
	}
	add(c.ended(s))
	if program := c.runs(s); program != "" {
		add("it runs " + program)
	} else if image := c.imageRuns(s); image != "" {
		add("its image is named as the program, " + image)
	}
	return w
}

// ended says that the container ended by the signal that the process got, if it did.
func (c *Container) ended(s Subject) string {
	if s.Signal == 0 || c.ExitCode != 128+s.Signal {
		return ""
	}
	const late = 10 * time.Second // until the engine notices
	code := fmt.Sprintf("exit code %d, as of signal %d", c.ExitCode, s.Signal)
	if c.Finished.IsZero() || s.Time.IsZero() {
		return "its last run ended with " + code
	}
	if d := c.Finished.Sub(s.Time); d < -late || d > late {
		return ""
	}
	return "it ended at that moment, with " + code
}

// imageRuns returns the program's name if it is the last part of the image's, as of
// envoyproxy/envoy:v1.31, or "": what the entrypoint of an image is, its metadata seldom say.
func (c *Container) imageRuns(s Subject) string {
	image, _, _ := strings.Cut(c.Image, "@")
	image = path.Base(image)
	image, _, _ = strings.Cut(image, ":")
	if image == "" || image == "." || image == "/" || path.Base(s.Exe) != image && s.Comm != image {
		return ""
	}
	return image
}

// most returns the candidates that most speaks for.
func most(all []candidate) (best []candidate) {
	for _, w := range all {
		switch {
		case len(best) == 0 || w.points > best[0].points:
			best = []candidate{w}
		case w.points == best[0].points:
			best = append(best, w)
		}
	}
	return best
}

// choose returns the candidate that all of what is known leaves or, if it leaves none
// or several, otherwise with evidence of which.
func choose(possible []candidate, excluded []string, otherwise Container) Container {
	best := most(possible)
	switch {
	case len(best) == 0 && len(excluded) > 0 && otherwise.Confidence == Unknown:
		return unknown("it is of no container of the inventory: " + summed(excluded))
	case len(best) == 0, best[0].points == 0:
		return otherwise
	case len(best) > 1:
		return unknown("it can be of " + names(best) + ", and nothing tells them apart")
	}
	chosen, confidence := best[0], Low
	reasons := chosen.reasons
	if others := len(possible) - 1; others > 0 {
		reasons = append(reasons, fmt.Sprintf("less speaks for %s", names(without(possible, chosen))))
		if chosen.points > 2 {
			confidence = Medium
		}
	} else {
		confidence = min(High, Confidence(chosen.points))
	}
	if len(excluded) > 0 {
		reasons = append(reasons, summed(excluded))
	}
	return chosen.with(confidence, reasons...)
}

func without(all []candidate, chosen candidate) (others []candidate) {
	for _, w := range all {
		if w.Container != chosen.Container {
			others = append(others, w)
		}
	}
	return others
}

// shown bounds the containers that evidence names.
const shown = 5

// names lists candidates: "a, b and 3 more".
func names(all []candidate) string {
	var titles []string
	for _, w := range all[:min(len(all), shown)] {
		titles = append(titles, w.title())
	}
	text := strings.Join(titles, " or ")
	if n := len(all) - shown; n > 0 {
		text += fmt.Sprintf(" or %d more", n)
	}
	return text
}

// summed lists reasons, and how many more there are than are told.
func summed(reasons []string) string {
	if n := len(reasons) - shown; n > 0 {
		return fmt.Sprintf("%s; and %d more are not it either", strings.Join(reasons[:shown], "; "), n)
	}
	return strings.Join(reasons, "; ")
}
