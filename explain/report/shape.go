package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
)

// Times are how many denials came when, in at most 64 buckets of equal width.
type Times struct {
	Start   string   `json:"start"`   // of the first bucket, as in Finding
	Seconds int64    `json:"seconds"` // the width of a bucket
	Counts  []uint32 `json:"counts"`
}

// A Counted is a container or a program with its part of a finding's denials.
type Counted struct {
	Name  string `json:"name"`            // of a container with its pod's: shop/web-1/nginx
	ID    string `json:"id,omitempty"`    // of a container
	Image string `json:"image,omitempty"` // likewise
	Count int    `json:"count"`

	PodUID string `json:"-"` // of a container's pod: for who writes to the cluster that it is of
}

// newTimes returns the buckets as plain data, nil if no denial has a time.
func newTimes(t *explain.Times) *Times {
	if len(t.Counts) == 0 {
		return nil
	}
	return &Times{Start: Time(t.Start()), Seconds: int64(t.Width() / time.Second), Counts: slices.Clone(t.Counts)}
}

// newTally returns what a tally counts, the most first.
func newTally(t explain.Tally) (list []Counted) {
	for _, one := range t {
		list = append(list, Counted{Name: plain(one.Name), ID: plain(one.ID), Image: plain(one.Image), Count: one.Count, PodUID: one.PodUID})
	}
	slices.SortStableFunc(list, compareCounted)
	return list
}

func compareCounted(a, b Counted) int {
	return cmp.Or(b.Count-a.Count, strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}

// rest is how many of n denials the list does not count.
func rest(n int, list []Counted) int {
	for _, c := range list {
		n -= c.Count
	}
	return max(n, 0)
}

// maxTallied bounds the containers or programs of a finding that are named in text.
const maxTallied = 8

// tally writes in which containers or by which programs denials of a finding were, if
// there are several.
func (p *page) tally(what escape.Text, total int, list []Counted) {
	if len(list) > 1 {
		p.wrap(2, 4, append(words(faint, what+":"), tallied(total, list)...))
	}
}

// tallied words a tally of so many denials.
func tallied(total int, list []Counted) (line []word) {
	shown := list[:min(len(list), maxTallied)]
	for i, c := range shown {
		w := escape.Name(c.Name) + " " + escape.Line("×"+thousands(c.Count))
		if i < len(list)-1 {
			w += ","
		}
		line = append(line, word{text: w})
	}
	if n := len(list) - len(shown); n > 0 {
		line = append(line, words(faint, escape.Words("and % more", thousands(n))...)...)
	}
	if n := rest(total, list); n > 0 {
		line = append(line, words(faint, escape.Words("and % elsewhere", "×"+thousands(n))...)...)
	}
	return line
}
