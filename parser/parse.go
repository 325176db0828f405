package parser

import (
	"errors"
	"fmt"
)

// Parse reads one AppArmor or SECCOMP record: a line of any shape that Scan reads, an
// entry of several lines such as journalctl's export form, or the lines of one event,
// of which the others tell more. It is an error if the text has no such record, has
// several, or has one that is not understood.
//
// Of a time that does not say its year the year means nothing, and one without a zone is
// taken for UTC; Scan can be told better. A look-alike is returned, too: see
// Record.IsLookAlike. It is safe for concurrent use.
func Parse(text string) (Denial, error) {
	denials, stats := Scan(nil, Block{Body: []byte(text)})
	switch found := len(denials) + stats.Unparsed; {
	case found == 0:
		return Denial{}, errors.New("the text has no AppArmor or SECCOMP record")
	case found > 1:
		return Denial{}, fmt.Errorf("the text has %d records, not one", found)
	case stats.Unparsed > 0:
		return Denial{}, fmt.Errorf("the record was not understood: %s", stats.Samples[0].Why)
	}
	return denials[0], nil
}
