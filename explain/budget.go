package explain

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// How many findings a Group keeps apart, so that a process that makes up names takes
// no room from others. What goes beyond is counted in findings of further names. The
// most that it can hold is maxFindings + maxBudgets*(ownFindings+maxFurther).
const (
	maxFindings  = 20000 // in all, beside what each budget has of its own
	maxOwner     = 10000 // of these of one container; where that is unknown, of one profile and its children, or one user
	maxProfile   = 5000  // of these of one profile there
	ownFindings  = 16    // what a budget has that no other can take
	maxBudgets   = 1024  // containers with their profiles, each of which has a budget
	maxUnproved  = 512   // of these where neither the container is known for sure nor a profile says who it is
	maxProfiles  = 32    // budgets of one container; its other profiles share one
	maxFurther   = 8     // findings of further names in one budget
	maxSamples   = 5     // of the names in each
	maxSampleLen = 256   // bytes of one
	findingSize  = 2048  // bytes of records that a finding may have; a larger one counts as several
	findingRoom  = 16    // as which the largest may count
)

// Further is what is known of the denials of a finding that stands for more names than
// are told apart. The finding's Denial has only what they share.
type Further struct {
	Class   string   // of the accesses: file, cap, net, ..., syscall; "" if it stands for several
	Samples []string // the first few of the names, cut at maxSampleLen bytes
	Why     string   // which budget is spent, one clause
}

// A budget is what one profile of one owner may keep.
type budget struct {
	owner   *owner
	label   string
	own     int
	shared  int
	further map[string]*Finding // of further names; nil while it is not spent
}

// An owner is a container with what runs in it, a profile or a user.
type owner struct {
	key       string
	words     string              // how it is called
	container container.Container // if it is one
	shared    int
	profiles  int // that have budgets
}

// budgets are those of a group. They are as few as maxBudgets, whatever names come.
type budgets struct {
	all      map[[2]string]*budget // by the owner's key and the label
	owners   map[string]*owner
	unproved int
	shared   int
}

func newBudgets() budgets {
	return budgets{all: map[[2]string]*budget{}, owners: map[string]*owner{}}
}

// others is the label of the budget that profiles and owners without one share.
const others = "\x00"

// of returns the budget of a denial.
func (b *budgets) of(d *parser.Denial, c *container.Container) *budget {
	label, who := d.Subject.Label, ownerOf(d, c)
	if found := b.all[[2]string{who.key, label}]; found != nil {
		return found
	}
	proved := c.Confidence == container.High || c.Confidence == container.Unknown && isProfile(label)
	if o := b.owners[who.key]; o != nil && o.profiles >= maxProfiles-1 {
		label = others
		if found := b.all[[2]string{who.key, label}]; found != nil {
			return found
		}
	}
	if len(b.all) >= maxBudgets-2 || !proved && b.unproved >= maxUnproved-1 { // what is left is these
		who, label = owner{key: fmt.Sprint("others ", proved), words: "what came after many others"}, others
		if found := b.all[[2]string{who.key, label}]; found != nil {
			return found
		}
	}
	o := b.owners[who.key]
	if o == nil {
		o = &who
		b.owners[who.key] = o
	}
	o.profiles++
	if !proved {
		b.unproved++
	}
	made := &budget{owner: o, label: label}
	b.all[[2]string{o.key, label}] = made
	return made
}

// isProfile reports whether a label is that of a profile.
func isProfile(label string) bool { return label != "" && label != "unconfined" && label != others }

// labelWord says what a label is, with a space behind it.
func labelWord(label string) string {
	if parser.IsContext(label) {
		return "SELinux context "
	}
	return "profile "
}

// ownerOf returns who answers for a denial: what nobody can take the place of who is
// in one container or, where that is unknown, under one profile, or one user. What a
// process wrote, and what a program only said, is apart from what the kernel logged.
func ownerOf(d *parser.Denial, c *container.Container) (o owner) {
	user := userOf(c)
	switch {
	case c.Confidence == container.Unknown && isProfile(d.Subject.Label):
		profile, _, _ := strings.Cut(d.Subject.Label, "//") // a program can have many children made of it, by learning
		o.words = labelWord(profile) + profile
	case c.Confidence == container.Unknown && 0 <= d.Subject.UID && d.Subject.UID < 1<<16: // above are those of user namespaces
		o.words = "user " + strconv.Itoa(d.Subject.UID)
	case c.Confidence == container.Unknown:
		o.words = "no known container"
	case user != "":
		o.words = "the containers of user " + user
	case c.Parent != "":
		o.words = "what runs in container " + container.ShortID(c.Parent)
		o.key = o.words + " " + c.Parent
	default: // as findings are told apart, at least
		o.words, o.container = "container "+cmp.Or(c.Name, container.ShortID(c.ID)), *c
		o.key = "container " + cmp.Or(workloadKey(c), c.ID)
	}
	origin := d.Event.Records[d.Record].Origin
	o.key = fmt.Sprint(origin.UserSpace, origin.UnknownPrefix, " ", origin.Transport.IsClaim(), " ", cmp.Or(o.key, o.words))
	return o
}

// take takes room for one more finding, if there is some: that of one for each
// findingSize of its records.
func (b *budgets) take(of *budget, d *parser.Denial) bool {
	if of.own < ownFindings {
		of.own++
		return true
	}
	size := 0
	for i := range d.Event.Records {
		size += len(d.Event.Records[i].Text)
	}
	room := min(1+size/findingSize, findingRoom)
	if of.further != nil || of.shared+room > maxProfile || of.owner.shared+room > maxOwner || b.shared+room > maxFindings {
		return false
	}
	of.shared += room
	of.owner.shared += room
	b.shared += room
	return true
}

// why says which budget is spent.
func (b *budgets) why(of *budget) string {
	whose := of.owner.words
	if isProfile(of.label) && !strings.HasSuffix(whose, of.label) {
		whose += " under " + labelWord(of.label) + of.label
	}
	const end = "what is refused beyond these is counted together"
	switch {
	case of.shared+findingRoom > maxProfile:
		return fmt.Sprintf("%s has room for %d distinct findings, and they are there; %s", whose, maxProfile+ownFindings, end)
	case of.owner.shared+findingRoom > maxOwner:
		return fmt.Sprintf("%s has room for %d distinct findings with those of its other profiles, and they are there; %s", whose, maxOwner, end)
	}
	return fmt.Sprintf("there is room for %d distinct findings in all, and for %d that %s has of its own, and they are there; %s", maxFindings, ownFindings, whose, end)
}

// addFurther folds a denial for which there is no room into a finding of its kind. The
// last of those that a budget has takes all kinds.
func (g *Group) addFurther(d *parser.Denial, c container.Container, of *budget) (f *Finding, isNew bool) {
	g.Beyond++
	why := ""
	if of.further == nil {
		why = g.budgets.why(of)
		of.further, g.spent = map[string]*Finding{}, append(g.spent, why)
	}
	class := access.Class(d)
	g.key = appendFurtherKey(g.key[:0], d, of.owner, class)
	f = of.further[string(g.key)]
	rest := f == nil && len(of.further) >= maxFurther-1
	whose := c
	if rest {
		g.key, class, whose = append(append(g.key[:0], of.owner.key...), of.label...), "", of.owner.container
		f = of.further[""]
	}
	if isNew = f == nil; isNew {
		f = &Finding{ID: id(g.key), Container: whose, owner: of.owner, Further: &Further{Class: class, Why: cmp.Or(why, g.budgets.why(of))}}
		key := string(g.key)
		if rest {
			key = ""
		}
		of.further[key] = f
	}
	if isNew || earlier(d, &f.Denial) {
		f.Denial = shared(d, rest, of)
	}
	g.count(f, d, &c)
	f.Further.add(sampleOf(d))
	return f, isNew
}

// appendFurtherKey appends what the denials of a finding of further names have in common.
func appendFurtherKey(key []byte, d *parser.Denial, o *owner, class string) []byte {
	for _, s := range [...]string{"further", o.key, d.Subject.Comm, d.Subject.Label, d.Mode.String(), class} {
		key = append(append(key, s...), 0)
	}
	if s := d.Seccomp; s != nil {
		key = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(key, s.Arch), s.Code)
	}
	return key
}

// shared is a denial with what those of its finding have in common; if that is the
// rest of a budget, that is little.
func shared(d *parser.Denial, rest bool, of *budget) parser.Denial {
	r := d.Event.Records[d.Record]
	all := r.Fields
	r.Text, r.Fields = "", nil
	for _, f := range all {
		switch f.Key {
		case "comm":
			if rest {
				continue
			}
		case "profile", "label", "subj":
			if rest && of.label == others {
				continue
			}
		case "apparmor", "arch", "code":
		default:
			continue
		}
		r.Fields = append(r.Fields, parser.Field{Key: f.Key, Value: f.Value})
	}
	s := parser.Denial{Event: parser.Event{Records: []parser.Record{r}}, Time: d.Time, Mode: d.Mode, Subject: parser.Subject{UID: -1}}
	if !rest {
		s.Subject.Comm = d.Subject.Comm
	}
	if !rest || of.label != others {
		s.Subject.Label = d.Subject.Label
	}
	if a := d.AppArmor; a != nil {
		s.AppArmor = &parser.AppArmor{Namespace: a.Namespace}
		if s.Subject.Label != "" {
			s.AppArmor.Profile = a.Profile
		}
		return s
	}
	if o := d.Other; o != nil {
		s.Other = &parser.Other{Module: o.Module}
		return s
	}
	s.Seccomp = &parser.Seccomp{Arch: d.Seccomp.Arch, Code: d.Seccomp.Code, Syscall: noSyscall, Traced: d.Seccomp.Traced, Suspected: d.Seccomp.Suspected}
	return s
}

// noSyscall is a number that no system call has.
const noSyscall = 1<<32 - 1

// sampleOf is the name of what was refused.
func sampleOf(d *parser.Denial) string {
	if s := d.Seccomp; s != nil && s.Suspected {
		return cmp.Or(d.Subject.Exe, d.Subject.Comm)
	}
	if s := d.Seccomp; s != nil {
		name, ok := seccomp.SyscallName(seccomp.Arch(s.Arch), s.Syscall)
		if !ok {
			return strconv.FormatUint(uint64(s.Syscall), 10)
		}
		return name
	}
	if o := d.Other; o != nil {
		return cmp.Or(o.Name, o.Access)
	}
	a := d.AppArmor
	return cmp.Or(a.Name, a.Target, a.Peer, a.CapName, a.Addr, a.PeerAddr, a.Path, a.Family, a.Operation)
}

// add keeps a sample, if it is one of the first.
func (f *Further) add(sample string) {
	if len(f.Samples) == maxSamples {
		return
	}
	sample = strings.Clone(sample[:min(len(sample), maxSampleLen)])
	if sample != "" && !slices.Contains(f.Samples, sample) {
		f.Samples = append(f.Samples, sample)
	}
}

// Spent returns which budgets were spent since it was called last, a clause each.
func (g *Group) Spent() []string {
	spent := g.spent
	g.spent = nil
	return spent
}

// explainFurther says of further names what is known without them.
func (x *Explainer) explainFurther(f *Explained) {
	f.Cause, f.Decision, f.Why = FurtherNames, Undecidable, f.Further.Why
	f.Notes = []string{"No rule is suggested: one for names that are not known apart would have to grant all. Grant what the first findings of this program need, and see what is left."}
	if len(f.Further.Samples) > 0 {
		f.Notes = append(f.Notes, "Some of the names: "+strings.Join(f.Further.Samples, ", "))
	}
	if f.Denial.Other != nil {
		return
	}
	if a := f.Denial.AppArmor; a == nil {
		if profile, name := x.seccompProfile(f.Finding); profile != nil {
			f.Policy = name
		}
	} else if profile := x.Library.Profile(f.Container, a.Profile); profile != nil {
		f.Policy = x.Library.Source(profile)
	}
}
