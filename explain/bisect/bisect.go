// Package bisect finds the version of a policy since which an access is refused. It works on
// values: what versions there are and what they answer is asked of its caller.
package bisect

// An Answer is what one version of a policy says to the access.
type Answer int

// The answers.
const (
	Granted Answer = iota
	Refused
	Unread // the version cannot be read, or has no such profile
)

// A History is the versions of a policy, each by a name that is its alone.
type History struct {
	// Parents returns the versions that one was made of: none of the first, several of a
	// merge.
	Parents func(version string) ([]string, error)
	// Ask returns what a version answers. It is asked about each once.
	Ask func(version string) (Answer, error)
}

// A Result is since when an access is refused.
type Result struct {
	// Since is the version that refuses it, of which no parent does; "" if the last version
	// grants it.
	Since string
	// Before is a parent of it that grants it, "" if there is none: it is refused since the
	// first version.
	Before string
	// Unread are the versions between the two that could not be read: each of them may have
	// been the one instead of Since.
	Unread []string
	Asked  int // versions
}

// Find goes from the last version back along what refuses the access. Of a merge it follows the
// first parent that does; where none does, the merge itself is the answer. Versions that cannot
// be read are passed over for their parents.
func Find(last string, h History) (r Result, err error) {
	s := search{History: h, answers: map[string]Answer{}}
	answer, err := s.ask(last)
	if err != nil || answer != Refused {
		r.Asked = len(s.answers)
		return r, err
	}
	for r.Since = last; ; {
		parents, unread, err := s.readable(r.Since)
		if err != nil {
			return r, err
		}
		next := ""
		r.Before, r.Unread = "", unread
		for _, p := range parents {
			if s.answers[p] == Refused {
				next = p
				break
			}
			if r.Before == "" {
				r.Before = p
			}
		}
		if next == "" {
			r.Asked = len(s.answers)
			return r, nil
		}
		r.Since = next
	}
}

// A search remembers what versions answered.
type search struct {
	History
	answers map[string]Answer
}

func (s *search) ask(version string) (Answer, error) {
	if a, known := s.answers[version]; known {
		return a, nil
	}
	a, err := s.Ask(version)
	s.answers[version] = a
	return a, err
}

// readable returns the parents of a version that can be read, and in place of the others
// theirs.
func (s *search) readable(version string) (parents, unread []string, err error) {
	seen := map[string]bool{version: true}
	queue := []string{version}
	for len(queue) > 0 {
		list, err := s.Parents(queue[0])
		if err != nil {
			return nil, nil, err
		}
		queue = queue[1:]
		for _, p := range list {
			if seen[p] {
				continue
			}
			seen[p] = true
			switch a, err := s.ask(p); {
			case err != nil:
				return nil, nil, err
			case a == Unread:
				unread, queue = append(unread, p), append(queue, p)
			default:
				parents = append(parents, p)
			}
		}
	}
	return parents, unread, nil
}
