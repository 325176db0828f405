package report

import (
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
)

// Kept is a finding as a history keeps it.
type Kept struct {
	Profile string // AppArmor's, or for seccomp the policy or the label of the process
	Layer   string // apparmor or seccomp
	Text    []byte // JSON, without counts and what is of one run
}

// Keep returns what a history keeps of a finding.
func (f Finding) Keep() (Kept, error) {
	k := Kept{Profile: f.profile(), Layer: f.layer()}
	f.Count, f.First, f.Last, f.Serials = 0, "", "", nil
	f.Times, f.Containers, f.Programs = nil, nil, nil
	f.Gate, f.Granted = nil, nil
	var err error
	k.Text, err = escape.Encode(f)
	return k, err
}

// Counts are those of a finding's denials.
type Counts struct {
	Count       int
	First, Last time.Time
	Times       explain.Times
	Containers  []Counted // in any order
	Programs    []Counted
}

// With returns a finding that was kept with its counts.
func (f Finding) With(c Counts) Finding {
	f.Count, f.First, f.Last, f.Serials = c.Count, Time(c.First), Time(c.Last), []uint32{}
	f.Times = newTimes(&c.Times)
	f.Containers, f.Programs = mergeCounted(nil, c.Containers), mergeCounted(nil, c.Programs)
	f.Message = sentenceOf(&f).String()
	return f
}
