package deploy

import (
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/shell"
)

// writeSPO writes the changed profiles as resources of the Security Profiles
// Operator, one YAML document each: AppArmorProfile (v1alpha1, its spec.abstract)
// and SeccompProfile (v1beta1). What a resource cannot express, or grants beyond
// the profile, are comments in its document, and one sentence of the limits. The
// fields are those of api/ in the operator's repository, and what it makes of an
// AppArmorProfile is that of its crd2armor template.
func writeSPO(w io.Writer, p *patch.Patch) (limits []string, err error) {
	out := comments(p)
	for _, profile := range p.Profiles {
		var r resource
		if profile.Seccomp {
			r = seccompResource(p, profile)
		} else if profile.Profile != nil && profile.Profile.Parent == nil {
			r = apparmorResource(profile)
		} else {
			r = resource{limits: []string{"a child profile or hat cannot be expressed"}}
		}
		out.Add("---\n")
		name := profile.Name
		if profile.Seccomp {
			name = profile.File
		}
		out.Add(yamlComment("of " + name))
		for _, note := range r.notes {
			out.Add(yamlComment(note))
		}
		if said := r.said(); said != "" {
			out.Add(yamlComment("! " + said))
			limits = append(limits, name+": "+said)
		}
		if len(r.limits) > 1 || r.withheld != "" {
			for _, limit := range r.limits {
				out.Add(yamlComment("!   " + limit))
			}
		}
		out.Add(r.yaml)
	}
	ofPod := container.Container{Pod: "any"}
	for _, c := range p.Capabilities {
		limit := c.Name + " has to be given to the container itself, which no resource of the operator does: " + strings.Join(ofPod.GivenCapability(c.Name), "")
		out.Add(yamlComment("! " + limit))
		limits = append(limits, limit)
	}
	return limits, escape.Write(w, out.Text())
}

// A resource is a document without its comments; yaml is "" if there can be none.
type resource struct {
	yaml   escape.YAML
	notes  []string // how to use it
	limits []string // where it differs from the profile
	// withheld says why there is no document, although one could be written.
	withheld string
}

// said sums the limits up in one sentence; the only one is its own.
func (r *resource) said() string {
	switch {
	case r.withheld != "":
		return r.withheld
	case len(r.limits) < 2:
		return strings.Join(r.limits, "")
	}
	var parts []string
	count := func(prefix, one, many string) (n int) {
		for _, limit := range r.limits {
			if strings.HasPrefix(limit, prefix) {
				n++
			}
		}
		if n == 1 {
			parts = append(parts, one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf(many, n))
		}
		return n
	}
	told := count("not expressed: ", "1 rule cannot be expressed", "%d rules cannot be expressed")
	told += count("not granted", "1 is denied by the operator's own rules", "%d are denied by the operator's own rules")
	told += count("also granted", "1 access is granted besides", "%d accesses are granted besides")
	told += count("the operator adds", "the operator adds 1 thing", "the operator adds %d things")
	if others := len(r.limits) - told; others > 0 { // of seccomp profiles
		parts = append(parts, fmt.Sprintf("%d things cannot be expressed", others))
	}
	return "the resource is not the same as the profile: " + strings.Join(parts, ", ") + "; the comments that begin with ! say what"
}

// resourceHead begins a document.
func resourceHead(version, kind escape.YAML, name string) escape.YAML {
	return "apiVersion: security-profiles-operator.x-k8s.io/" + version + "\nkind: " + kind + "\nmetadata:\n  name: " + yamlString(name) + "\nspec:\n"
}

// resourceName makes a name as Kubernetes wants it (RFC 1123 label) of another.
func resourceName(name string) string {
	label := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	label = strings.Trim(label, "-")
	label = strings.TrimRight(label[:min(len(label), 63)], "-")
	if label == "" {
		return "profile"
	}
	return label
}

// yamlList writes a list of strings below a key; nothing for an empty one.
func yamlList(out *escape.Builder[escape.YAML], indent, key escape.YAML, list []string) {
	if len(list) == 0 {
		return
	}
	out.Add(indent, key, ":\n")
	for _, s := range list {
		out.Add(indent, "- ", yamlString(s), "\n")
	}
}

// seccompResource is a seccomp profile as a SeccompProfile.
func seccompResource(p *patch.Patch, of patch.Patched) (r resource) {
	i := slices.IndexFunc(p.Changes, func(c rules.Change) bool { return c.File.Name == of.File })
	if i < 0 {
		r.limits = append(r.limits, "its text is not part of the changes")
		return r
	}
	profile, _, err := seccomp.Parse(rules.NewFile(of.File, p.Changes[i].New))
	if err != nil {
		r.limits = append(r.limits, "it cannot be read: "+err.Error())
		return r
	}
	if profile.Form == seccomp.SPO {
		r.notes = append(r.notes, "It is a SeccompProfile already: "+shell.Command("kubectl apply -f", of.File)+" once it is changed.")
		return r
	}
	base := path.Base(filepath.ToSlash(of.File))
	name := resourceName(strings.TrimSuffix(base, ".json"))
	r.notes = append(r.notes, "For a pod in its namespace: seccompProfile: {type: Localhost, localhostProfile: operator/NAMESPACE/"+name+".json}")
	var out escape.Builder[escape.YAML]
	out.Add(resourceHead("v1beta1", "SeccompProfile", name))
	out.Add("  defaultAction: ", yamlString(profile.Default.SCMP()), "\n")
	if profile.Default == seccomp.Errno && profile.DefaultErrno != 1 {
		r.limits = append(r.limits, fmt.Sprintf("defaultErrnoRet %s cannot be expressed: what is not listed answers EPERM", seccomp.ErrnoName(profile.DefaultErrno)))
	}
	yamlList(&out, "  ", "architectures", r.architectures(profile))
	yamlList(&out, "  ", "flags", profile.Flags)
	var entries escape.YAML
	for _, e := range profile.Entries {
		if r.applies(e, of) {
			entries += spoEntry(e)
		}
	}
	if entries != "" {
		out.Add("  syscalls:\n", entries)
	}
	r.yaml = out.Text()
	return r
}

// architectures returns the list of a profile, or of its archMap the first host's
// with those that it covers besides.
func (r *resource) architectures(p *seccomp.Profile) []string {
	if len(p.ArchMap) == 0 {
		return p.Archs
	}
	first := p.ArchMap[0]
	r.limits = append(r.limits, "archMap cannot be expressed: the architectures are those of a host of "+first.Arch)
	return append([]string{first.Arch}, first.Sub...)
}

// applies reports whether an entry is in force for the containers, which the
// resource cannot make it depend on.
func (r *resource) applies(e *seccomp.Entry, of patch.Patched) bool {
	if e.Includes.IsZero() && e.Excludes.IsZero() {
		return true
	}
	has := func(name string) bool { // all containers have it, as far as is known
		for _, c := range of.Containers {
			if !slices.Contains(c.Caps, name) {
				return false
			}
		}
		return len(of.Containers) > 0
	}
	applies := !slices.ContainsFunc(e.Excludes.Caps, has)
	for _, name := range e.Includes.Caps {
		applies = applies && has(name)
	}
	const host = "amd64" // as architectures has it, the first of every archMap in use
	if list := e.Includes.Arches; len(list) > 0 && !slices.Contains(list, host) || slices.Contains(e.Excludes.Arches, host) {
		applies = false
	}
	var names []string
	for _, n := range e.Names {
		names = append(names, n.Text)
	}
	what := "left out"
	if applies {
		what = "in force always"
	}
	r.limits = append(r.limits, fmt.Sprintf("the conditions of an entry cannot be expressed, it is %s: %s (%s)", what, strings.Join(names, ", "), conditions(e)))
	return applies
}

// conditions are includes and excludes in words.
func conditions(e *seccomp.Entry) string {
	var words []string
	add := func(word string, list []string) {
		if len(list) > 0 {
			words = append(words, word+" "+strings.Join(list, ", "))
		}
	}
	for _, f := range []struct {
		word string
		seccomp.Filter
	}{{"with", e.Includes}, {"without", e.Excludes}} {
		add(f.word, f.Caps)
		add(f.word+" architecture", f.Arches)
		if f.MinKernel != "" {
			add(f.word+" kernel", []string{f.MinKernel + " or newer"})
		}
	}
	return strings.Join(words, "; ")
}

// spoEntry writes an element of syscalls. errnoRet is a string in v1beta1.
func spoEntry(e *seccomp.Entry) escape.YAML {
	var out escape.Builder[escape.YAML]
	out.Add("  - action: ", yamlString(e.Action.SCMP()), "\n")
	var names []string
	for _, n := range e.Names {
		names = append(names, n.Text)
	}
	yamlList(&out, "    ", "names", names)
	if (e.Action == seccomp.Errno || e.Action == seccomp.Trace) && e.Errno != 1 {
		out.Add("    errnoRet: \"", escape.YAMLNumber(e.Errno), "\"\n")
	}
	for i, a := range e.Args {
		if i == 0 {
			out.Add("    args:\n")
		}
		out.Add("    - index: ", escape.YAMLNumber(a.Index), "\n      op: ", yamlString(a.Op.SCMP()), "\n      value: ", escape.YAMLNumber(a.Value), "\n")
		if a.Op == seccomp.MaskedEQ {
			out.Add("      valueTwo: ", escape.YAMLNumber(a.ValueTwo), "\n")
		}
	}
	return out.Text()
}
