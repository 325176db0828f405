package report

import (
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
)

// A sentence says who was refused what, in three parts that are printed in
// different styles. Each part is words that may be wrapped between; a name from
// the log is one word, already escaped.
type sentence struct {
	who     []string // "nginx in container web-1 (nginx:1.27, docker 3f9c1d2a7b41)"
	verdict []string // "may not"
	what    []string // "write /var/cache/nginx/x"
}

// String joins the parts.
func (s sentence) String() string {
	return strings.Join(slices.Concat(s.who, s.verdict, s.what), " ")
}

// say splits a phrase into words and puts one name in place of each %.
func say(phrase string, names ...string) []string {
	words := strings.Fields(phrase)
	for i, word := range words {
		before, after, found := strings.Cut(word, "%")
		if found {
			words[i] = before + quoted(names[0]) + after
			names = names[1:]
		}
	}
	return words
}

// sayOf splits a phrase into words and puts a value of the record in place of each %KEY.
func sayOf(phrase string, d Fields) []string {
	words := strings.Fields(phrase)
	for i, word := range words {
		if key, ok := strings.CutPrefix(word, "%"); ok {
			words[i] = quoted(d.Get(key))
		}
	}
	return words
}

// sentenceOf returns the sentence of a finding.
func sentenceOf(f *Finding) sentence {
	if f.Seccomp != nil {
		verdict, what := seccompSentence(f)
		return sentence{whoIs(f, false), verdict, what}
	}
	what := tried(f.Denial)
	if what == nil {
		return unknownOperation(f)
	}
	verdict, after := "may not", ""
	switch f.Mode {
	case "ALLOWED":
		verdict, after = "was permitted to", "(complain mode, logged only)"
	case "AUDIT":
		verdict, after = "was permitted to", "(logged by an audit rule)"
	case "KILLED":
		verdict = "was killed for trying to"
	case "STATUS":
		verdict, after = "was permitted to", "(logged as a status)"
	case "HINT":
		verdict, after = "wanted to", "(logged as a hint)"
	case "ERROR":
		verdict = "failed to"
	}
	return sentence{whoIs(f, isPassive(f.Denial)), say(verdict), append(what, say(after)...)}
}

// unknownOperation words an operation that has no wording of its own.
func unknownOperation(f *Finding) sentence {
	verdict := "was refused"
	switch f.Mode {
	case "ALLOWED", "AUDIT", "STATUS", "HINT":
		verdict = "was permitted"
	case "KILLED":
		verdict = "was killed for"
	case "ERROR":
		verdict = "failed at"
	}
	d := f.Denial
	what := say("an operation without a name")
	if op := d.Get("operation"); op != "" {
		what = say("%", op)
	}
	if mask := mask(d); mask != "" {
		what = append(what, "("+Escape(mask)+")")
	}
	if name := d.Get("name", "srcname", "target"); name != "" {
		what = append(what, say("on %", name)...)
	}
	if peer := d.Get("peer", "peer_label"); peer != "" {
		what = append(what, say("with %", peer)...)
	}
	return sentence{whoIs(f, false), say(verdict), what}
}

// seccompSentence words what the filter answered to a system call.
func seccompSentence(f *Finding) (verdict, what []string) {
	number := f.Denial.Get("syscall")
	call := append(say("% (%", f.Seccomp.SyscallName, f.Seccomp.ArchName), Escape(number)+")")
	switch f.Seccomp.SyscallName {
	case "":
		call = say("syscall % (%)", number, f.Seccomp.ArchName)
	case number: // ausearch -i has the name alone
		call = say("% (%)", number, f.Seccomp.ArchName)
	}
	switch f.Seccomp.Action {
	case "kill_process", "kill_thread":
		return say("was killed for calling"), call
	case "trap":
		return say("was sent SIGSYS for calling"), call
	case "log":
		call[len(call)-1] += ","
		return say("called"), append(call, say("which was logged and permitted")...)
	case "trace":
		call[len(call)-1] += ","
		return say("called"), append(call, say("which fails unless a tracer permits it")...)
	case "user_notif":
		call[len(call)-1] += ","
		return say("called"), append(call, say("which was left to a supervising process")...)
	}
	return say("may not call"), call
}

// isPassive reports whether the record speaks of what is done to the profile's
// process. The kernel then logs the label of the one and the pid and comm of
// the other, who acts (profile_signal_perm and profile_tracee_perm in
// security/apparmor/ipc.c).
func isPassive(d Fields) bool {
	switch d.Get("operation") {
	case "signal":
		return strings.Contains(mask(d), "receive")
	case "ptrace":
		m := mask(d)
		return strings.Contains(m, "tracedby") || strings.Contains(m, "readby")
	}
	return false
}

// whoIs names the process and its container, or says that it is unknown.
func whoIs(f *Finding, passive bool) []string {
	comm := f.Subject.Comm
	if comm == "" && f.Subject.Exe != "" {
		comm = path.Base(f.Subject.Exe)
	}
	who := say("a process")
	if comm != "" && !passive {
		who = say("%", comm)
	}
	c := f.Container
	if c == nil {
		return append(who, outside(f)...)
	}
	if c.Confidence == "low" {
		who = append(who, "probably")
	}
	var inside []string // the parentheses' parts
	if c.Image != "" {
		inside = append(inside, quoted(shortDigest(c.Image)))
	}
	id := Escape(container.ShortID(c.ID))
	switch {
	case c.Name != "":
		who = append(who, say("in container %", c.Name)...)
	case id != "":
		who, id = append(who, "in", "container", id), ""
	default:
		who = append(who, say("in a container")...)
	}
	if c.Pod != "" {
		who = append(who, "of", "pod", podName(c))
	}
	if engine := strings.TrimSpace(Escape(c.Runtime) + " " + id); engine != "" {
		inside = append(inside, engine)
	}
	if len(inside) > 0 {
		who = append(who, strings.Fields("("+strings.Join(inside, ", ")+")")...)
	}
	return who
}

// outside says, in parentheses, what is known of a process without a container.
func outside(f *Finding) []string {
	label := f.Denial.Get("profile", "label")
	if label == "" {
		label = f.Subject.Label
	}
	switch {
	case label == "" || label == "unconfined" && f.Seccomp != nil:
		return say("(container unknown)")
	case label == "unconfined":
		return say("(unconfined, container unknown)")
	}
	return say("(profile %, container unknown)", label)
}

// podName returns namespace/pod.
func podName(c *Container) string {
	if c.Namespace == "" {
		return quoted(c.Pod)
	}
	return quoted(c.Namespace + "/" + c.Pod)
}

// shortDigest cuts the digest of an image's name to 12 digits.
func shortDigest(image string) string {
	const marker = "@sha256:"
	i := strings.Index(image, marker)
	if i < 0 || len(image) < i+len(marker)+64 {
		return image
	}
	return image[:i+len(marker)+12]
}

// mask returns what was refused, in the kernel's words.
func mask(d Fields) string {
	return d.Get("denied_mask", "denied", "requested_mask", "requested", "mask")
}
