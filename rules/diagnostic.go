package rules

// A Severity orders diagnostics: an Error is something the system's own
// compiler or runtime refuses, a Warning is accepted but does not do what it
// seems to, a Note is context.
type Severity int

// The severities.
const (
	Error Severity = iota
	Warning
	Note
)

// String returns "error", "warning" or "note".
func (s Severity) String() string {
	return [...]string{"error", "warning", "note"}[s]
}

// A Diagnostic is something to say about a place in a policy.
type Diagnostic struct {
	At       Location
	Severity Severity
	Code     string // stable kebab-case name, such as "unknown-capability"
	Message  string // one sentence, lower case, no full stop
	Related  []Related
	Fixes    []Fix
}

// String returns "file:line:column: severity: message [code]".
func (d Diagnostic) String() string {
	return d.At.String() + ": " + d.Severity.String() + ": " + d.Message + " [" + d.Code + "]"
}

// Related is another place that a diagnostic speaks of.
type Related struct {
	At      Location
	Message string
}

// Errors returns the errors among diagnostics.
func Errors(diagnostics []Diagnostic) []Diagnostic {
	var errors []Diagnostic
	for _, d := range diagnostics {
		if d.Severity == Error {
			errors = append(errors, d)
		}
	}
	return errors
}
