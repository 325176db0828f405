package seccomp

import "github.com/whydenied/whydenied/rules"

// Lint returns what is wrong with a profile beyond what Parse says, in the
// order of the file.
func Lint(p *Profile) []rules.Diagnostic { return nil }
