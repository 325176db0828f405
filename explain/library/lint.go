package library

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// opensBlock finds a line that ends as the header of a profile does.
var opensBlock = regexp.MustCompile(`(?m)^[^#\n]*\{[ \t]*(#.*)?\r?$`)

// Lint returns what is wrong with a policy file: AppArmor policy or a seccomp profile,
// told apart by the text. noPolicy says of text that evidently is neither, such as a
// log, what it is not; it is nil otherwise.
func (l *Library) Lint(file *rules.File) (diagnostics []rules.Diagnostic, noPolicy error) {
	if binary.Is(file.Text) {
		return []rules.Diagnostic{{At: rules.Location{File: file}, Severity: rules.Error, Code: "compiled",
			Message: "this is compiled AppArmor policy, which has no rules any more to check; query and explain take it"}}, nil
	}
	if seccomp.IsProfile(file.Text) {
		profile, diagnostics, err := seccomp.Parse(file)
		if err != nil {
			return []rules.Diagnostic{seccomp.NotProfile(file, err)}, err
		}
		return append(diagnostics, seccomp.Lint(profile)...), nil
	}
	if kind := kindOf(file.Text); kind != "" {
		noPolicy = fmt.Errorf("%s: %s", file.Name, kind)
		return []rules.Diagnostic{{At: rules.Location{File: file}, Severity: rules.Error, Code: "not-a-policy", Message: kind}}, noPolicy
	}
	policy, diagnostics := l.Loader.Load(file)
	if len(policy.Profiles) == 0 && !opensBlock.MatchString(file.Text) && slices.ContainsFunc(diagnostics, isError) {
		noPolicy = fmt.Errorf("%s: no AppArmor policy", file.Name)
	}
	diagnostics = append(diagnostics, apparmor.Lint(policy)...)
	if len(l.Versions) == 0 {
		return append(diagnostics, apparmor.LintParser(policy, l.Parser)...), noPolicy
	}
	// What each version refuses is in place of what an unknown one does.
	diagnostics = slices.DeleteFunc(diagnostics, func(d rules.Diagnostic) bool { return isError(d) || d.Code == "needs-version" })
	return append(diagnostics, l.Loader.Versions(file, l.Versions)...), noPolicy
}

func isError(d rules.Diagnostic) bool { return d.Severity == rules.Error }

// LintBuiltin is Lint for a profile that is built in, by its name. AppArmor's have
// other names than seccomp's, which are the engines'. The source says which text it is.
func (l *Library) LintBuiltin(name string) (file *rules.File, source string, diagnostics []rules.Diagnostic, err error) {
	policy, diagnostics, err := l.AddProfile(name)
	if err == nil {
		return policy.Files[0], l.Source(policy.Profiles[0]), append(diagnostics, apparmor.Lint(policy)...), nil
	}
	if _, other := l.AddSeccomp(name); other != nil {
		return nil, "", nil, &UnknownBuiltin{fmt.Sprintf("%v; and of seccomp, %v", err, other)}
	}
	return l.seccomp.File, l.seccompName, seccomp.Lint(l.seccomp), nil
}
