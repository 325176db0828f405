package report

import (
	"cmp"
	"slices"
	"strings"
)

// Orders are what findings can be sorted by: how often, the latest first, the riskiest
// first, and those that were seen first the latest. Without one, those after which a container
// ended come first, then those that ended a process, then those with the most denials.
var Orders = []string{"count", "last", "risk", "new"}

// Sort sorts findings by one of Orders, the weightiest first; what is equal stays in order.
func Sort(findings []Finding, by string) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		switch by {
		case "last":
			return strings.Compare(b.Last, a.Last)
		case "new":
			return strings.Compare(b.First, a.First)
		case "risk":
			return cmp.Or(slices.Index(risks, b.risk())-slices.Index(risks, a.risk()), b.Count-a.Count)
		case "count":
			return b.Count - a.Count
		}
		x, _ := a.urgency()
		y, _ := b.urgency()
		return cmp.Or(y-x, b.Count-a.Count)
	})
}
