package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A callFix makes the fixes of one refused call.
type callFix struct {
	profile *seccomp.Profile
	call    seccomp.Call
	d       seccomp.Decision // of the profile to the call
	also    []string         // other calls that the fix has to allow as well
	lifts   bool             // the fix takes a refusal out of a profile that else allows, and nothing more
	want    want
	fixes   []rules.Fix
}

// Call returns the fixes of a call that a seccomp profile refuses, by its decision.
// They are proved once, however many programs were refused the call.
func (p *Proposer) Call(profile *seccomp.Profile, call seccomp.Call, d seccomp.Decision) []rules.Fix {
	key := fmt.Sprintf("%p %#v %v", profile, call, d.Action)
	fixes, ok := p.provedCalls[key]
	if !ok {
		fixes = Calls(profile, call, d)
		p.provedCalls[key] = fixes
	}
	return slices.Clone(fixes)
}

// Calls returns the ways to make a profile allow a call that it refuses,
// or to answer ENOSYS where programs then fall back to another call, which comes
// first; then the narrowest entry. Where the kernel itself asks for a capability in
// any case, the fix is that, alone or with the entry. Each is proved; profile can be one
// that other fixes have been applied to, and the edits are of its text.
func Calls(profile *seccomp.Profile, call seccomp.Call, d seccomp.Decision) []rules.Fix {
	if call.Name == "" {
		call.Name = d.Syscall
	}
	c := &callFix{profile: profile, call: call, d: d}
	if profile.Form == seccomp.Unit {
		c.dropIn()
		return c.fixes
	}
	if !d.ArchListed {
		c.cover()
		return c.fixes
	}
	if p, lacks, ok := Wanted(profile, call); ok {
		c.want = want{p, lacks}
	}
	c.enosys()
	c.propose()
	return c.fixes
}

// lift proposes to drop the one condition under which a profile that else allows the
// call refused it, and reports whether that leaves no wider fix to propose. The
// record has no arguments, but the answer tells that the condition held.
func (c *callFix) lift() (all bool) {
	e := c.d.Entry
	if e == nil || len(e.Args) == 0 || !c.profile.Default.Permits() || c.call.Args != nil {
		return false
	}
	args, ok := e.Example()
	edit, err := c.profile.Remove(e, c.d.Syscall)
	if !ok || err != nil {
		return false
	}
	one := *c
	one.call.Args, one.lifts, one.fixes = args, true, nil
	danger := CallDanger(c.d.Syscall, args)
	one.prove(seccomp.Allow, rules.Fix{
		Message: fmt.Sprintf("allow %s when %s", c.d.Syscall, c.d.When),
		Rule:    fmt.Sprintf("%q", c.d.Syscall),
		Edits:   []rules.Edit{edit},
		Risk:    danger.Risk,
		Reason:  danger.Reason,
	}, seccomp.Want{Name: c.d.Syscall, Args: e.Args})
	c.fixes = append(c.fixes, one.fixes...)
	edits, err := c.profile.Allow(c.d.Syscall)
	return len(one.fixes) > 0 && err == nil && slices.Equal(edits, []rules.Edit{edit})
}

// enosys proposes to answer ENOSYS, if the profile allows what programs then call.
func (c *callFix) enosys() {
	older, who, ok := seccomp.Fallback(c.d.Syscall)
	if !ok || c.call.NoFallback || !c.allows(older) || c.failsToo(older) || c.d.Action.Permits() || c.d.Action == seccomp.Errno && seccomp.ErrnoName(c.d.Errno) == "ENOSYS" {
		return
	}
	if edits, err := c.profile.AnswerENOSYS(c.d.Syscall); err == nil {
		c.prove(seccomp.Errno, rules.Fix{
			Message: fmt.Sprintf("answer ENOSYS, on which %s turn to %s", who, older),
			Rule:    fmt.Sprintf("%q", c.d.Syscall),
			Edits:   edits,
		}, seccomp.Want{Name: c.d.Syscall})
	}
}

// allows reports whether the profile allows a call, in some cases at least. One that
// the architecture does not have, in whose place it has another, counts as allowed.
func (c *callFix) allows(name string) bool {
	if _, ok := seccomp.SyscallNumber(c.call.Arch, name); !ok {
		return true
	}
	call := c.call
	call.Name, call.Args = name, nil
	d := c.profile.Decide(call)
	return d.Action.Permits() || slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return w.Action.Permits() })
}

// failsToo reports whether the kernel would refuse another call for want of the same
// capability.
func (c *callFix) failsToo(name string) bool {
	call := c.call
	call.Name, call.Args = name, nil
	p, ok := call.Privilege()
	return ok && p.Unless == "" && c.want.lacks && slices.Equal(p.Caps, c.want.Caps)
}

// allowWhen proposes to allow the call with its own arguments alone, as far as
// those choose what it does.
func (c *callFix) allowWhen() {
	conditions, why, _ := c.profile.Conditions(c.call)
	if len(conditions) == 0 {
		return
	}
	edits, err := c.profile.AllowWhen(c.d.Syscall, conditions...)
	if err != nil {
		return
	}
	var words []string
	for _, a := range conditions {
		words = append(words, a.String())
	}
	danger := CallDanger(c.d.Syscall, c.call.Args)
	c.prove(seccomp.Allow, rules.Fix{
		Message: fmt.Sprintf("allow %s alone: %s", seccomp.CallText(c.call.Arch, c.d.Syscall, c.call.Args), why),
		Rule:    fmt.Sprintf("%q when %s", c.d.Syscall, strings.Join(words, " and ")),
		Edits:   edits,
		Risk:    danger.Risk,
		Reason:  danger.Reason,
	}, seccomp.Want{Name: c.d.Syscall, Args: conditions})
}

// allow proposes to allow the call whatever its arguments.
func (c *callFix) allow() {
	edits, err := c.profile.Allow(c.d.Syscall)
	if err != nil {
		return
	}
	danger := CallDanger(c.d.Syscall, nil)
	if own := CallDanger(c.d.Syscall, c.call.Args); own.Risk > danger.Risk {
		danger = own
	}
	c.prove(seccomp.Allow, rules.Fix{
		Message: "allow " + c.d.Syscall + c.whatever(),
		Rule:    fmt.Sprintf("%q", c.d.Syscall),
		Edits:   edits,
		Risk:    danger.Risk,
		Reason:  danger.Reason,
	}, c.wanted()...)
}

// together proposes to allow the call with those that are used with it and are
// refused, too. whole says that none of them is of use alone.
func (c *callFix) together() (fixes []rules.Fix, whole bool) {
	set, ok := seccomp.Together(c.d.Syscall)
	if !ok {
		return nil, false
	}
	one := *c
	one.also, one.fixes = nil, nil
	edits, err := c.profile.Allow(c.d.Syscall)
	wanted, danger := c.wanted(), CallDanger(c.d.Syscall, nil)
	for _, name := range set.Names {
		if err != nil {
			return nil, false
		}
		if name == c.d.Syscall || c.allows(name) {
			continue
		}
		var more []rules.Edit
		more, err = c.profile.Allow(name)
		edits, one.also = append(edits, more...), append(one.also, name)
		wanted = append(wanted, seccomp.Want{Name: name})
		if other := CallDanger(name, nil); other.Risk > danger.Risk {
			danger = other
		}
	}
	if err != nil || len(one.also) == 0 {
		return nil, false
	}
	one.prove(seccomp.Allow, rules.Fix{
		Message: fmt.Sprintf("allow %s with %s, which go together: %s", c.d.Syscall, list(one.also), set.Why),
		Rule:    quoted(append([]string{c.d.Syscall}, one.also...)),
		Edits:   edits,
		Risk:    danger.Risk,
		Reason:  danger.Reason,
	}, wanted...)
	return one.fixes, set.Whole
}

// list is names as a sentence has them.
func list(names []string) string {
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return names[0]
}

// quoted is names as an entry has them.
func quoted(names []string) string {
	slices.Sort(names)
	return `"` + strings.Join(names, `", "`) + `"`
}

// wanted is what allowing the whole call is to give: of a call that its arguments
// tell apart those of the record, or, if they are not known, nothing for certain.
func (c *callFix) wanted() []seccomp.Want {
	conditions, _, known := c.profile.Conditions(c.call)
	if !known {
		return nil
	}
	return []seccomp.Want{{Name: c.d.Syscall, Args: conditions}}
}

// whatever says that a fix does not look at arguments which choose what the call
// does.
func (c *callFix) whatever() string {
	switch conditions, _, known := c.profile.Conditions(c.call); {
	case !known:
		return " whatever its arguments, which the record does not say"
	case len(conditions) > 0:
		return " whatever its arguments"
	}
	return ""
}

// cover proposes to have the filter cover the architecture of the call, and to
// allow the call if the profile does not. It does not for x32, which no
// distribution builds programs for.
func (c *callFix) cover() {
	arch := c.call.ArchName()
	edits, err := c.profile.Cover(c.call)
	if err != nil || arch == "x32" {
		return
	}
	message := "cover programs for " + arch
	if covered, err := c.profile.Edited(edits); err == nil && !covered.Decide(c.call).Action.Permits() {
		more, err := c.profile.Allow(c.d.Syscall)
		if err != nil {
			return
		}
		edits = append(edits, more...)
		message += " and allow " + c.d.Syscall
	}
	danger := CallDanger(c.d.Syscall, nil)
	if danger.Risk < rules.Medium {
		danger.Risk, danger.Reason = rules.Medium, "every entry of the profile is then open to programs for "+arch+", whose way into the kernel is tried less"
	}
	c.prove(seccomp.Allow, rules.Fix{
		Message: message,
		Rule:    fmt.Sprintf("%q", c.call.Arch.SCMP()),
		Edits:   edits,
		Risk:    danger.Risk,
		Reason:  danger.Reason,
	}, c.wanted()...)
}

// prove adds a fix if the edited profile parses, gives the call the wanted
// answer, and refuses nothing that was allowed; it leaves out the edits that this
// does not need, and writes down what was proved and what else is allowed. Where
// libseccomp's answer to some calls is not defined, that cannot be told, but of a
// fix that only lifts a refusal.
func (c *callFix) prove(want seccomp.Action, fix rules.Fix, wanted ...seccomp.Want) {
	edited, needs := c.answered(fix.Edits, want)
	if edited == nil {
		return
	}
	for i := 0; i < len(fix.Edits) && len(fix.Edits) > 1; {
		fewer := slices.Delete(slices.Clone(fix.Edits), i, i+1)
		if without, _ := c.answered(fewer, want); without != nil {
			fix.Edits, edited = fewer, without
			continue
		}
		i++
	}
	gains, complete := seccomp.GainsBy(c.call.Loader, c.profile, edited, wanted...)
	if !complete && !c.lifts || slices.ContainsFunc(gains, seccomp.Gain.Refuses) {
		return
	}
	answer := "the call is now allowed"
	if want == seccomp.Errno {
		answer = "the answer is now ENOSYS"
	}
	fix.Proof = []string{"the edited profile parses", answer + needs}
	permitted, answered := callGains(gains)
	fix.Grants = permitted
	if len(gains) == 0 && complete {
		answered = []string{"no other call is answered otherwise"}
	}
	fix.Proof = append(append(fix.Proof, answered...), "each edit is needed")
	c.fixes = append(c.fixes, fix)
}

// answered returns the profile that edits make if it is sure to give the call an
// answer: to permit it, or ENOSYS for Errno; and what that needs of the host, as text,
// where it is not known: a libseccomp that knows the call. It returns nil otherwise.
func (c *callFix) answered(edits []rules.Edit, want seccomp.Action) (edited *seccomp.Profile, needs string) {
	edited, err := c.profile.Edited(edits)
	if err != nil {
		return nil, ""
	}
	for _, name := range c.also {
		call := c.call
		call.Name, call.Args = name, nil
		if d := edited.Decide(call); !settled(d) || !d.Action.Permits() {
			return nil, ""
		}
	}
	d := edited.Decide(c.call)
	if d.Ambiguous || !settled(d) || d.Action != want || want == seccomp.Errno && seccomp.ErrnoName(d.Errno) != "ENOSYS" {
		return nil, ""
	}
	return edited, newerLibrary(c.call, d)
}

// newerLibrary says of a call that is decided but for what loads the filter which
// libseccomp that needs, if it is not known to be there.
func newerLibrary(call seccomp.Call, d seccomp.Decision) string {
	if since, _ := seccomp.LibseccompFor(call); since != "" && d.Undecidable {
		return " (with libseccomp " + since + " or newer on the host; older ones drop the name)"
	}
	return ""
}

// settled reports whether the outcome of a call hangs on nothing but what loads the filter.
func settled(d seccomp.Decision) bool {
	return !slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return !w.Loader })
}

// maxGains bounds the calls that a fix names.
const maxGains = 3

// callGains says which calls are allowed besides, and which are answered
// otherwise though they are refused still.
func callGains(gains []seccomp.Gain) (permitted string, answers []string) {
	var allows []string
	counts := map[string]int{}
	for _, g := range gains {
		if !g.Permits() {
			change := fmt.Sprintf("%s in place of %s", g.After.String(), g.Before.String())
			if counts[change]++; counts[change] == 1 {
				answers = append(answers, seccomp.CallText(g.Example.Arch, g.Syscall, g.Example.Args)+" answers "+change)
			}
			continue
		}
		allows = append(allows, gainText(g))
	}
	for i, text := range answers {
		name, change, _ := strings.Cut(text, " answers ")
		if n := counts[change]; n > 1 {
			answers[i] = fmt.Sprintf("%s and %d more answer %s", name, n-1, change)
		}
	}
	return joined(allows), answers
}

// gainText says which calls one gain is.
func gainText(g seccomp.Gain) string {
	text := seccomp.CallText(g.Example.Arch, g.Syscall, g.Example.Args)
	switch {
	case text == g.Syscall && g.Every:
	case text == g.Syscall:
		text += " in more cases"
	case g.Every:
		text = g.Syscall + " with all arguments that were refused, such as " + text
	default:
		text = g.Syscall + " with more arguments, such as " + text
	}
	switch x86 := slices.Contains(g.Archs, "x86_64"); {
	case len(g.Archs) == 1 && !x86:
		text += " on " + g.Archs[0]
	case !x86:
		text += " on " + g.Archs[0] + " and others"
	}
	return text
}

// joined lists texts, and how many more there are than are told.
func joined(texts []string) string {
	if n := len(texts) - maxGains; n > 0 {
		texts = append(texts[:maxGains:maxGains], fmt.Sprintf("and %d more calls", n))
	}
	return strings.Join(texts, "; ")
}
