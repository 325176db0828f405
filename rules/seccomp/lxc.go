package seccomp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A policy of LXC, Incus and Proxmox VE is lines (lxc.container.conf(5), lxc.seccomp.profile;
// parse_config_v2() in src/lxc/seccomp.c of LXC 7.0):
//
//	2
//	denylist
//	[all]
//	kexec_load errno 1
//
// denylist, which older ones call blacklist, allows what no line names, allowlist
// (whitelist) kills it; a line without an action kills, or allows. Lines below [ARCH] are for
// that architecture.
var lxcHead = regexp.MustCompile(`^2[ \t]*\r?\n(denylist|blacklist|allowlist|whitelist)[ \t]*\r?(?:\n|$)`)

// isLXC reports whether a text is meant as such a policy.
func isLXC(text string) bool { return lxcHead.MatchString(text) }

// lxcArches are the architectures of sections, as includes.arches of other profiles names
// the hosts that have them. Others are of programs that run besides those of the host.
var lxcArches = map[string]string{
	"[x86_64]": "amd64", "[arm64]": "arm64", "[aarch64]": "arm64", "[arm]": "arm", "[ppc64le]": "ppc64le", "[s390x]": "s390x", "[riscv64]": "riscv64",
}

// lxcActions are the words for actions.
var lxcActions = map[string]string{
	"kill": "SCMP_ACT_KILL", "allow": "SCMP_ACT_ALLOW", "trap": "SCMP_ACT_TRAP", "errno": "SCMP_ACT_ERRNO", "notify": "SCMP_ACT_NOTIFY",
}

// An lxcReader makes of a policy the tree that the same profile has in JSON, with the
// places of its own text.
type lxcReader struct {
	file     *rules.File
	fallback string // the action of a line without one
	section  string
	entries  []node
}

// readLXC reads a policy as a tree.
func readLXC(file *rules.File) (*node, error) {
	head := lxcHead.FindStringSubmatchIndex(file.Text)
	r := &lxcReader{file: file, fallback: "SCMP_ACT_KILL", section: "[all]"}
	otherwise := "SCMP_ACT_ALLOW"
	if kind := file.Text[head[2]:head[3]]; kind == "allowlist" || kind == "whitelist" {
		r.fallback, otherwise = otherwise, r.fallback
	}
	at := head[1]
	for line := range strings.Lines(file.Text[at:]) {
		if err := r.line(line, at); err != nil {
			return nil, errorAt(file, at, err)
		}
		at += len(line)
	}
	root := &node{kind: object, at: rules.Span{End: len(file.Text)}}
	root.set("defaultAction", textNode(otherwise, rules.Span{Start: head[2], End: head[3]}))
	root.set("archMap", node{kind: array, at: root.at, items: slices.Clone(lxcArchMap)})
	root.set("syscalls", node{kind: array, at: root.at, items: r.entries})
	return root, nil
}

// lxcArchMap is what LXC covers of a host besides its own architecture.
var lxcArchMap = []node{lxcHost("X86_64", "X86", "X32"), lxcHost("AARCH64", "ARM"), lxcHost("PPC64LE"), lxcHost("S390X", "S390"), lxcHost("RISCV64")}

func lxcHost(host string, others ...string) node {
	n, subs := node{kind: object}, node{kind: array}
	for _, other := range others {
		subs.items = append(subs.items, textNode("SCMP_ARCH_"+other, rules.Span{}))
	}
	n.set("architecture", textNode("SCMP_ARCH_"+host, rules.Span{}))
	n.set("subArchitectures", subs)
	return n
}

func textNode(s string, at rules.Span) node { return node{kind: text, value: s, at: at} }

func (n *node) set(name string, value node) {
	n.keys = append(n.keys, member{name: name, at: value.at, value: value})
}

// line reads a line, which begins at a place.
func (r *lxcReader) line(line string, at int) error {
	said, _, _ := strings.Cut(line, "#")
	said = strings.TrimRight(said, " \t\r\n")
	words := strings.Fields(said)
	switch {
	case len(words) == 0 || words[0] == "reject_force_umount":
		return nil
	case strings.HasPrefix(words[0], "["):
		if r.section = strings.ToLower(words[0]); r.section != "[all]" && lxcArches[r.section] == "" {
			return fmt.Errorf("the section %.40s of an LXC seccomp policy is not read", words[0])
		}
		return nil
	case strings.ContainsAny(said, "[,"):
		return fmt.Errorf("the arguments that an LXC seccomp policy has for %.40s are not read", words[0])
	}
	start := at + strings.Index(line, words[0])
	span := rules.Span{Start: start, End: at + len(said)}
	action := textNode(r.fallback, span)
	entry := node{kind: object, at: span}
	entry.set("names", node{kind: array, at: span, items: []node{textNode(words[0], rules.Span{Start: start, End: start + len(words[0])})}})
	if len(words) > 1 {
		if action.value = lxcActions[words[1]]; action.value == "" {
			return fmt.Errorf("%.40q is no action of an LXC seccomp policy", words[1])
		}
		if words[1] == "errno" && len(words) > 2 {
			entry.set("errnoRet", node{kind: number, value: words[2], at: span})
		}
	}
	entry.set("action", action)
	if arch := lxcArches[r.section]; arch != "" {
		includes := node{kind: object, at: span}
		includes.set("arches", node{kind: array, at: span, items: []node{textNode(arch, span)}})
		entry.set("includes", includes)
	}
	r.entries = append(r.entries, entry)
	return nil
}

// allowLXC is Allow for a policy of LXC: the lines that refuse the call go, or one is added.
func (p *Profile) allowLXC(name string) ([]rules.Edit, error) {
	var edits []rules.Edit
	allowed := p.Default == Allow
	for _, e := range p.Entries {
		switch {
		case !e.has(name):
		case e.Action == Allow:
			allowed = true
		default:
			edits = append(edits, p.edit(p.wholeLine(e.At.Span), ""))
		}
	}
	switch {
	case !allowed:
		add := name + "\n"
		if !strings.HasSuffix(p.File.Text, "\n") {
			add = "\n" + name
		}
		edits = append(edits, p.insert(len(p.File.Text), add))
	case len(edits) == 0:
		return nil, fmt.Errorf("the policy allows %s already", name)
	}
	return edits, nil
}

// wholeLine is the line of a span that is within one, with its end.
func (p *Profile) wholeLine(s rules.Span) rules.Span {
	s.Start = strings.LastIndexByte(p.File.Text[:s.Start], '\n') + 1
	if i := strings.IndexByte(p.File.Text[s.End:], '\n'); i >= 0 {
		s.End += i + 1
		return s
	}
	s.End = len(p.File.Text)
	return s
}
