package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A FileRule grants or denies permissions on files. The bare rule `file,` has a
// nil Path, and covers every file.
type FileRule struct {
	Header
	Path    *Pattern       // /etc/passwd; nil in the bare file rule
	Perms   Perms          // rwk; Exec is set along with Exec.Mode, or alone in deny rules
	Exec    Transition     // px -> target
	PathAt  rules.Location // the path token, quotes included
	PermsAt rules.Location // the permissions token; the word "file" in the bare rule
	Leading bool           // rw /path, instead of /path rw,

	classes bool // [ ] in the path counts as exact
	noMmap  bool // ix does not imply m
}

// A FileRequest is an access to a file by its path.
type FileRequest struct {
	Path  string // as the kernel sees it; a directory ends in /
	Perms Perms  // of FilePerms
	Owner bool   // the task's fsuid is the file's uid
	// Target is the existing file of a hard link whose new name is Path. Without
	// it, a request for Link is answered for the new name alone.
	Target string
}

func (FileRequest) class() string      { return "file" }
func (q FileRequest) wanted() Perms    { return q.Perms }
func (q FileRequest) subject() Request { return q }

func (r *FileRule) resolve(by *resolver) Rule {
	c := *r
	by.file(&c.Path)
	c.Exec.Target = plain(c.Exec.Target)
	t := by.policy.Target
	c.classes = t.Parser == "" || t.AtLeast("4.0")
	c.noMmap = by.modern()
	return &c
}

func (r *FileRule) checkInBlock(by *resolver, block Qualifiers) {
	if block.Deny && !r.Deny && r.Exec.Mode != 0 {
		by.errorf(r.PermsAt, "bad-exec", "a deny rule takes x without i, p, c or u: %q", r.PermsAt.Text())
	}
	mode := strings.ToLower(r.PermsAt.Text())
	if r.Perms&Exec != 0 && !r.Deny && r.Path != nil && mode != "" && !strings.ContainsAny(mode, "ipcu") {
		by.errorf(r.PermsAt, "bad-exec", "x needs an exec mode before it: ix, px, cx or ux")
	}
}

// filePattern returns the path pattern of a rule, that of the bare rule file,
// included.
func filePattern(r *FileRule) *Pattern {
	if r.Path == nil {
		return everyFile
	}
	return r.Path
}

var everyFile = &Pattern{Source: "/{**,}", Expanded: []string{"/{**,}"}}

// filePerms returns the permissions of a file rule with those they imply: w
// includes a, and before 5.0 ix includes m (process_dfa_entry() in parser_regex.c).
func filePerms(r *FileRule) Perms {
	perms := r.Perms
	if perms&Write != 0 {
		perms |= Append
	}
	if !r.noMmap && !r.Deny && perms&Exec != 0 && (r.Exec.Mode == Inherit || r.Exec.Fallback == Inherit) {
		perms |= Mmap
	}
	return perms
}

// ask serves the narrowing of link rules alone: file rules are compiled; see decide.
func (q FileRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*LinkRule); ok {
		return Link, compareAll(
			field{"link", r.Link.Match(q.Path)},
			field{"target", r.Target.Match(q.Target)})
	}
	return 0, nil
}

func (q FileRequest) rule(exec Transition) string {
	if q.Perms == Link && q.Target != "" {
		return "link " + QuotePath(q.Path) + " -> " + QuotePath(q.Target) + ","
	}
	perms := q.Perms
	if perms&Write != 0 {
		perms &^= Append // w includes a, and the two together are refused
	}
	letters, target := perms.String(), ""
	if perms&Exec != 0 && exec.Mode != 0 {
		letters = (perms &^ Exec).String() + exec.String()
		if exec.Target != nil && exec.Mode != Inherit {
			target = " -> " + exec.Target.At.Text()
		}
	}
	return QuotePath(q.Path) + " " + letters + target + ","
}

func (*FileRule) cells(*celler) {} // see fileGains

func (q FileRequest) key() string {
	if q.Target != "" && q.Perms == Link {
		return q.Path + "\x00" + q.Target
	}
	return q.Path
}

func (q FileRequest) covers() (perms Perms, owner bool) {
	perms = q.Perms
	if perms&Write != 0 {
		perms |= Append
	}
	if perms&Exec != 0 {
		perms |= Mmap // of ix
	}
	return perms, q.Owner
}

func (q FileRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{{&q.Path, nil}, {&q.Target, nil}}}
}

func (*FileRule) labels() []*Pattern { return nil }

func (q FileRequest) relabel(string, string) Request { return q }
