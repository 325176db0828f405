package report

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
)

// A sentence says who was refused what, in three parts that are printed in
// different styles. Each part is words that may be wrapped between; a name from
// the log is one word.
type sentence struct {
	who     []escape.Text // "nginx in container web-1 (nginx:1.27, docker 3f9c1d2a7b41)"
	verdict []escape.Text // "may not"
	what    []escape.Text // "write /var/cache/nginx/x"
}

// String joins the parts.
func (s sentence) String() string {
	return string(escape.Join(slices.Concat(s.who, s.verdict, s.what), " "))
}

// phrased splits a phrase of access.Phrase into words and puts a value of the record
// in place of each %KEY.
func phrased(phrase string, d Fields) []escape.Text {
	words := escape.Prose(phrase)
	for i, word := range words {
		if key, ok := strings.CutPrefix(string(word), "%"); ok {
			words[i] = escape.Name(d.Get(key))
		}
	}
	return words
}

// sentenceOf returns the sentence of a finding.
func sentenceOf(f *Finding) sentence {
	if f.Further != nil {
		return sentence{whoIs(f, false), refusal(f.Mode), furtherAccesses(f.Further.Class)}
	}
	if f.Module != nil {
		return sentence{whoIs(f, false), refusal(f.Mode), moduleSentence(f.Module)}
	}
	if f.Seccomp != nil {
		verdict, what := seccompSentence(f)
		return sentence{whoIs(f, false), verdict, what}
	}
	what := tried(f.Denial)
	if what == nil {
		return unknownOperation(f)
	}
	var verdict, after escape.Text = "may not", ""
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
	return sentence{whoIs(f, isPassive(f.Denial)), escape.Words(verdict), append(what, escape.Words(after)...)}
}

// refusal says what became of something that has no verb.
func refusal(mode string) []escape.Text {
	switch mode {
	case "ALLOWED", "AUDIT", "STATUS", "HINT":
		return escape.Words("was permitted")
	case "KILLED":
		return escape.Words("was killed for")
	case "ERROR":
		return escape.Words("failed at")
	}
	return escape.Words("was refused")
}

// furtherAccesses words what a finding of further names stands for.
func furtherAccesses(class string) []escape.Text {
	switch class {
	case "":
		return escape.Words("further accesses of any kind")
	case "syscall":
		return escape.Words("further system calls")
	}
	return escape.Words("further accesses of class %", class)
}

// unknownOperation words an operation that has no wording of its own.
func unknownOperation(f *Finding) sentence {
	d := f.Denial
	what := escape.Words("an operation without a name")
	if op := d.Get("operation"); op != "" {
		what = escape.Words("%", op)
	}
	if mask := mask(d); mask != "" {
		what = append(what, "("+escape.Line(mask)+")")
	}
	if name := d.Get("name", "srcname", "target"); name != "" {
		what = append(what, escape.Words("on %", name)...)
	}
	if peer := d.Get("peer", "peer_label"); peer != "" {
		what = append(what, escape.Words("with %", peer)...)
	}
	return sentence{whoIs(f, false), refusal(f.Mode), what}
}

// seccompSentence words what the filter answered to a system call.
func seccompSentence(f *Finding) (verdict, what []escape.Text) {
	if f.Seccomp.Suspected {
		return escape.Words("was ended by SIGSYS,"), escape.Words("perhaps for a system call that seccomp refused")
	}
	number := f.Denial.Get("syscall")
	call := []escape.Text{escape.Name(cmp.Or(f.Seccomp.Call, f.Seccomp.SyscallName)), "(" + escape.Name(f.Seccomp.ArchName) + " " + escape.Line(number) + ")"}
	switch f.Seccomp.SyscallName {
	case "":
		call = escape.Words("syscall % (%)", number, f.Seccomp.ArchName)
	case number: // ausearch -i has the name alone
		call = escape.Words("% (%)", number, f.Seccomp.ArchName)
	}
	switch f.Seccomp.Action {
	case "kill_process", "kill_thread":
		return escape.Words("was killed for calling"), call
	case "trap":
		return escape.Words("was sent SIGSYS for calling"), call
	case "log":
		call[len(call)-1] += ","
		return escape.Words("called"), append(call, escape.Words("which was logged and permitted")...)
	case "trace":
		call[len(call)-1] += ","
		return escape.Words("called"), append(call, escape.Words("which fails unless a tracer permits it")...)
	case "user_notif":
		call[len(call)-1] += ","
		return escape.Words("called"), append(call, escape.Words("which was left to a supervising process")...)
	}
	return escape.Words("may not call"), call
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
func whoIs(f *Finding, passive bool) []escape.Text {
	comm := f.Subject.Comm
	if comm == "" && f.Subject.Exe != "" {
		comm = path.Base(f.Subject.Exe)
	}
	who := escape.Words("a process")
	if comm != "" && !passive {
		who = programs(f, comm)
	}
	c := f.Container
	if c == nil {
		return append(who, outside(f)...)
	}
	if c.Confidence == "low" {
		who = append(who, "probably")
	}
	var inside []escape.Text // the parentheses' parts
	if c.Image != "" {
		inside = append(inside, escape.Name(shortDigest(c.Image)))
	}
	id := escape.Line(container.ShortID(c.ID))
	noun := container.Noun(c.Runtime)
	switch {
	case len(f.Containers) > 1:
		return append(who, containers(f, inside)...)
	case noun != "container":
		return slices.Concat(who, []escape.Text{"in"}, escape.Prose(noun), []escape.Text{escape.Name(c.Name)})
	case c.Name != "":
		who = append(who, escape.Words("in container %", c.Name)...)
	case id != "":
		who, id = append(who, "in", "container", id), ""
	default:
		who = append(who, escape.Words("in a container")...)
	}
	if c.Pod != "" {
		who = append(who, "of", "pod", podName(c))
	}
	if engine := escape.Join(append(escape.Prose(c.Runtime), escape.Fields(id)...), " "); engine != "" {
		inside = append(inside, engine)
	}
	return append(who, parenthesised(inside)...)
}

// parenthesised lists parts, each of which is one word, in parentheses.
func parenthesised(parts []escape.Text) []escape.Text {
	if len(parts) == 0 {
		return nil
	}
	words := slices.Clone(parts)
	for i := range words[:len(words)-1] {
		words[i] += ","
	}
	words[0] = "(" + words[0]
	words[len(words)-1] += ")"
	return words
}

// programs names the programs of a finding, of which the earliest denial names one.
func programs(f *Finding, comm string) []escape.Text {
	who := escape.Words("%", comm)
	switch n := len(f.Programs); {
	case n == 2:
		other := f.Programs[0]
		if other.Name == comm {
			other = f.Programs[1]
		}
		return append(who, escape.Words("and %", other.Name)...)
	case n > 2:
		return append(who, escape.Words("and % other programs", atLeast(n-1, f.Count, f.Programs))...)
	}
	return who
}

// atLeast words how many a list names, with a + where it leaves denials out.
func atLeast(n, denials int, list []Counted) string {
	if len(list) >= maxSavedNames && rest(denials, list) > 0 {
		return thousands(n) + "+"
	}
	return thousands(n)
}

// containers says in how many containers of a workload a finding is; inside is the image.
func containers(f *Finding, inside []escape.Text) []escape.Text {
	n, c := atLeast(len(f.Containers), f.Count, f.Containers), f.Container
	if pod, isPod := strings.CutPrefix(f.Workload, "pod "); isPod {
		owner, _, _ := strings.Cut(pod, " container ")
		if one := f.Containers[0].Name; !slices.ContainsFunc(f.Containers, func(c Counted) bool { return c.Name != one }) {
			return append(escape.Words("in % starts of container % of pod", n, c.Name), podName(c))
		}
		return escape.Words("in container % of % pods of %", c.Name, n, owner)
	}
	where := escape.Words("in % containers", n)
	otherImage := func(one Counted) bool { return one.Image != c.Image }
	if len(inside) > 0 && slices.ContainsFunc(f.Containers, otherImage) {
		inside = []escape.Text{escape.Name(container.Repository(c.Image))}
	}
	if len(inside) > 0 {
		where = append(append(where, "of"), inside...)
	}
	return where
}

// outside says, in parentheses, what is known of a process without a container.
func outside(f *Finding) []escape.Text {
	label := f.Denial.Get("profile", "label")
	if label == "" {
		label = f.Subject.Label
	}
	switch {
	case label == "" || label == "unconfined" && f.Seccomp != nil:
		return escape.Words("(container unknown)")
	case label == "unconfined":
		return escape.Words("(unconfined, container unknown)")
	}
	if parser.IsContext(label) || f.Module != nil && f.Module.Name == parser.SELinux.String() {
		return escape.Words("(SELinux context %, container unknown)", label)
	}
	if f.Product != nil {
		return append(escape.Words("(profile %,", label), escape.Fields(escape.Line(f.Product.What)+")")...)
	}
	return escape.Words("(profile %, container unknown)", label)
}

// podName returns namespace/pod.
func podName(c *Container) escape.Text {
	if c.Namespace == "" {
		return escape.Name(c.Pod)
	}
	return escape.Name(c.Namespace + "/" + c.Pod)
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
