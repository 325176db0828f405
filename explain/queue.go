package explain

// A Queue has findings wait to be explained. Containers take turns, so that thousands
// of one never delay the first of another by more than one of each. It serves one
// goroutine at a time; its memory is bounded by that of the findings.
type Queue struct {
	turns  []*owner // those of which findings wait; the first is next
	waits  map[*owner][]*Finding
	length int
}

// Add has a finding that a Group made wait.
func (q *Queue) Add(f *Finding) {
	if q.waits == nil {
		q.waits = map[*owner][]*Finding{}
	}
	if len(q.waits[f.owner]) == 0 {
		q.turns = append(q.turns, f.owner)
	}
	q.waits[f.owner] = append(q.waits[f.owner], f)
	q.length++
}

// Next returns the finding whose turn it is, nil if none waits.
func (q *Queue) Next() *Finding {
	if q.length == 0 {
		return nil
	}
	o := q.turns[0]
	q.turns = q.turns[1:]
	f, rest := q.waits[o][0], q.waits[o][1:]
	if len(rest) > 0 {
		q.turns, q.waits[o] = append(q.turns, o), rest
	} else {
		delete(q.waits, o)
	}
	q.length--
	return f
}

// Len returns how many findings wait.
func (q *Queue) Len() int { return q.length }

// Containers returns of how many containers findings wait, or of what else answers for
// them.
func (q *Queue) Containers() int { return len(q.turns) }
