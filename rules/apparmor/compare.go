package apparmor

import "slices"

// A Comparison is all that two texts of a profile answer otherwise, by what becomes of
// it. A Rule in it is of the text that grants or silences, or the deny rule of the
// other that does not let it.
type Comparison struct {
	Gains     []Gain // granted by the second alone, or executed otherwise
	Losses    []Gain // granted by the first alone
	Silenced  []Gain // refused by both, and logged by the first alone
	Logged    []Gain // refused by both, and logged by the second alone
	Audited   []Gain // granted by both, and logged by the second alone
	Unaudited []Gain // granted by both, and logged by the first alone
	// Complete reports that there is nothing else. Where it is false the rules that
	// differ are too many or too wide to be followed to their ends, or one of the
	// profiles grants whatever it does not name.
	Complete bool
}

// Equal reports whether the two answer every request alike.
func (c *Comparison) Equal() bool {
	return c.Complete && len(c.Gains)+len(c.Losses)+len(c.Silenced)+len(c.Logged)+len(c.Audited)+len(c.Unaudited) == 0
}

// CompareProfiles compares what two texts of a profile answer, in every class of rules: see
// Gains for how. Flags, attachments and children of the profiles are not part of it but
// for what the flags make of an answer. Where one is unconfined, which grants
// everything, nothing is listed and Complete is false, unless both are.
func CompareProfiles(before, after *Profile) (c Comparison) {
	if before.HasFlag("unconfined") || after.HasFlag("unconfined") {
		c.Complete = before.HasFlag("unconfined") && after.HasFlag("unconfined")
		return c
	}
	c.Complete = before.HasFlag("default_allow") == after.HasFlag("default_allow")
	for _, part := range []struct {
		list          *[]Gain
		before, after *Profile
		by            difference
	}{
		{&c.Gains, before, after, gainedButLinks},
		{&c.Losses, after, before, gainedButLinks},
		{&c.Silenced, before, after, silenced},
		{&c.Logged, after, before, silenced},
		{&c.Audited, before, after, audited},
		{&c.Unaudited, after, before, audited},
	} {
		list, complete := differ(part.before, part.after, part.by, nil)
		*part.list, c.Complete = list, c.Complete && complete
	}
	removed, added := differingRules(before, after)
	gains, losses, complete := linkGains(before, after, removed, added)
	c.Gains, c.Losses, c.Complete = append(c.Gains, gains...), append(c.Losses, losses...), c.Complete && complete
	// How a program is executed is told once, from before to now.
	c.Losses = slices.DeleteFunc(c.Losses, func(g Gain) bool { return g.Exec != nil })
	return c
}
