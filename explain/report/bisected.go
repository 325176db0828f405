package report

import (
	"fmt"
	"io"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

// A Bisected is since which version of a policy an access is refused.
type Bisected struct {
	Access  string `json:"access"`  // in the words of query
	Profile string `json:"profile"` // of seccomp the file
	// Outcome is commit, disk (a change that is not committed), always (since the first
	// version), shallow (since before the first that a shallow clone has), or granted,
	// where nothing else is set.
	Outcome  string          `json:"outcome"`
	Commit   *Commit         `json:"commit,omitempty"` // since which it is refused
	Was      *ReplayedAnswer `json:"was,omitempty"`    // by the version before
	Is       *ReplayedAnswer `json:"is,omitempty"`
	Unread   []UnreadVersion `json:"unread"`   // versions between the two, of which each may have been it
	Versions int             `json:"versions"` // that were asked
}

// NewBisected returns the message of an access that is granted.
func NewBisected(access, profile string, versions int) Bisected {
	return Bisected{Access: plain(access), Profile: plain(profile), Outcome: "granted", Unread: []UnreadVersion{}, Versions: versions}
}

// A Commit is one of git.
type Commit struct {
	ID      string `json:"id"`
	Author  string `json:"author"`
	Time    string `json:"time"` // of the author
	Subject string `json:"subject"`
}

// Short is the ID as people write it.
func (c *Commit) Short() string { return c.ID[:min(len(c.ID), 12)] }

// NewCommit returns a commit as plain data, nil of nil.
func NewCommit(c *Commit) *Commit {
	if c == nil {
		return nil
	}
	return &Commit{ID: plain(c.ID), Author: plain(c.Author), Time: plain(c.Time), Subject: plain(c.Subject)}
}

// An UnreadVersion is one that could not be read.
type UnreadVersion struct {
	Commit
	Why string `json:"why"`
}

// NewUnreadVersion returns a version that could not be read as plain data.
func NewUnreadVersion(c *Commit, why string) UnreadVersion {
	return UnreadVersion{Commit: *NewCommit(c), Why: plain(why)}
}

// NewBisectedAnswer returns what a version answers.
func NewBisectedAnswer(d explain.Decision, list []rules.Location) *ReplayedAnswer {
	a := ReplayedAnswer{Decision: string(d), Rules: make([]Rule, 0, len(list))}
	for _, at := range list {
		if !at.IsZero() {
			a.Rules = append(a.Rules, newRule(explain.Place{At: at}))
		}
	}
	return &a
}

// NewBisectedText returns a function that writes since when accesses are refused as text. Calls
// must not overlap.
func NewBisectedText(w io.Writer, o TextOptions) func(Bisected) error {
	return pages(w, o, func(p *page, b Bisected) {
		title, style := "refused", alarm
		if b.Outcome == "granted" {
			title, style = b.Outcome, plus
		}
		head := append(words(style, escape.Line(title)+":"), prose(strong, b.Access)...)
		p.wrap(0, 4, append(head, word{text: "(profile " + escape.Name(b.Profile) + ")", style: faint, gap: 1}))
		switch b.Outcome {
		case "commit":
			p.wrap(2, 4, prose(normal, "since "+b.Commit.told()))
		case "disk":
			p.wrap(2, 4, prose(normal, "since a change that is not committed"))
		case "always":
			p.wrap(2, 4, prose(normal, "since the first version"+b.Commit.of()))
		case "shallow":
			p.wrap(2, 4, prose(normal, "since before the first commit that this shallow clone has; git fetch --unshallow gets the others"))
		}
		if b.Was != nil {
			p.answered("was", *b.Was)
		}
		if b.Is != nil {
			p.answered("is", *b.Is)
		}
		for i, v := range b.Unread {
			if i == maxDeciding {
				p.wrap(2, 4, prose(faint, fmt.Sprintf("and %d more that could not be read", len(b.Unread)-i)))
				break
			}
			p.wrap(2, 4, prose(mild, "or since "+v.told()+", which could not be read: "+v.Why))
		}
	})
}

// told is the commit in a sentence.
func (c *Commit) told() string {
	return fmt.Sprintf("%s of %s by %s: %s", c.Short(), c.Time[:min(len(c.Time), len("2006-01-02"))], c.Author, c.Subject)
}

// of is the commit behind a word, "" of none.
func (c *Commit) of() string {
	if c == nil {
		return ""
	}
	return ", " + c.told()
}
