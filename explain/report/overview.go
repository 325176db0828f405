package report

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
)

// An Overview is findings in groups, those with the most denials first.
type Overview struct {
	By       string `json:"by"` // of GroupKeys, or what the groups were made by to be few
	Findings int    `json:"findings"`
	Denials  int    `json:"denials"`
	First    string `json:"first,omitempty"` // of the denials, as in Finding
	Last     string `json:"last,omitempty"`
	Groups   []Row  `json:"groups"`
	Further  int    `json:"further,omitempty"` // groups beyond these

	Urgent     []Urgent `json:"urgent,omitempty"` // findings to look at first, at most 2
	MoreUrgent int      `json:"more_urgent,omitempty"`
}

// A Row is one group of an overview.
type Row struct {
	Key        string   `json:"key"`               // what its findings have in common
	Profile    string   `json:"profile,omitempty"` // "" if there are several
	Cause      string   `json:"cause,omitempty"`   // likewise
	What       string   `json:"what"`              // what was refused, in few words
	Findings   int      `json:"findings"`
	Containers int      `json:"containers"` // distinct ones; 0 if none is known
	Count      int      `json:"count"`
	First      string   `json:"first,omitempty"`
	Last       string   `json:"last,omitempty"`
	Times      *Times   `json:"times,omitempty"`
	Risk       string   `json:"risk,omitempty"` // the highest of the first fixes; investigate if one should be looked into first
	IDs        []string `json:"ids"`
	Made       string   `json:"made,omitempty"`  // of a deploy: when its first container was, or else was refused something
	Blind      int      `json:"blind,omitempty"` // of a node or a cluster: nodes of which denials may not have been seen
	Why        string   `json:"why,omitempty"`   // why a node is blind
}

// GroupKeys are what findings can be grouped by: rule is the rule responsible with the
// fix, image that of the container, deploy the image with its tag, digest what is behind it.
var GroupKeys = []string{"rule", "profile", "container", "image", "deploy", "digest", "node", "cluster", "cause", "layer", "program", "directory"}

// OverviewFormats are the formats that have groups; the others have findings alone.
var OverviewFormats = []string{"text", "json", "markdown", "line", "template"}

// NewOverview groups findings by one of GroupKeys. Of a finding that is in several
// containers or of several programs each has its part of the denials.
func NewOverview(findings []Finding, by string) *Overview {
	o := group(findings, by, func(f *Finding) []Counted { return f.groups(by) })
	o.Urgent, o.MoreUrgent = urgent(findings)
	return o
}

// fitOverview groups findings as finely as fits into a number of rows.
func fitOverview(findings []Finding, rows int) *Overview {
	var o *Overview
	for _, level := range []struct {
		by  string
		key func(f *Finding) string
	}{
		{"finding", func(f *Finding) string { return f.ID }},
		{"rule", (*Finding).ruleKey},
		{"directory", func(f *Finding) string {
			return f.profile() + "\x00" + f.Cause + "\x00" + f.kind() + "\x00" + f.directory()
		}},
		{"kind", func(f *Finding) string { return f.profile() + "\x00" + f.Cause + "\x00" + f.kind() }},
		{"profile", func(f *Finding) string { return f.profile() + "\x00" + f.layer() }},
	} {
		o = group(findings, level.by, func(f *Finding) []Counted { return []Counted{{Name: level.key(f), Count: f.Count}} })
		if len(o.Groups) <= rows {
			break
		}
	}
	o.Urgent, o.MoreUrgent = urgent(findings)
	return o
}

// group makes groups of findings by what of gives: the names of a finding's groups, with
// the denials that are of each.
func group(findings []Finding, by string, of func(f *Finding) []Counted) *Overview {
	o := &Overview{By: by, Findings: len(findings), Groups: []Row{}}
	members := map[string][]*Finding{}
	counts := map[string]int{}
	for i := range findings {
		f := &findings[i]
		o.Denials += f.Count
		o.First, o.Last = earliest(o.First, f.First), max(o.Last, f.Last)
		for _, c := range of(f) {
			members[c.Name] = append(members[c.Name], f)
			counts[c.Name] += c.Count
		}
	}
	for key, list := range members {
		row := newRow(list)
		row.Key, row.Count = strings.ReplaceAll(key, "\x00", " "), counts[key]
		o.Groups = append(o.Groups, row)
	}
	slices.SortFunc(o.Groups, func(a, b Row) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Key, b.Key))
	})
	return o
}

// earliest is the earlier one of two times, either of which can be "".
func earliest(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// newRow says what findings have in common.
func newRow(list []*Finding) Row {
	row := Row{Findings: len(list), Profile: list[0].profile(), Cause: list[0].Cause, IDs: []string{}}
	containers := map[string]bool{}
	for _, f := range list {
		row.IDs = append(row.IDs, f.ID)
		row.First, row.Last = earliest(row.First, f.First), max(row.Last, f.Last)
		row.Times = mergeTimes(row.Times, f.Times)
		row.Risk = higherRisk(row.Risk, f.risk())
		for _, c := range f.everyContainer() {
			containers[cmp.Or(c.ID, c.Name)] = true
		}
		if f.profile() != row.Profile {
			row.Profile = ""
		}
		if f.Cause != row.Cause {
			row.Cause = ""
		}
	}
	row.Containers = len(containers)
	row.What = whatOf(list)
	return row
}

// risks in rising order.
var risks = []string{"", "low", "medium", "high", "investigate"}

func higherRisk(a, b string) string {
	return risks[max(slices.Index(risks, a), slices.Index(risks, b), 0)]
}

// risk is that of the first fix, or investigate.
func (f *Finding) risk() string {
	switch {
	case f.Investigate != "":
		return "investigate"
	case len(f.Fixes) > 0:
		return f.Fixes[0].Risk
	}
	return ""
}

// groups returns the groups that a finding is in.
func (f *Finding) groups(by string) []Counted {
	one := func(name string) []Counted { return []Counted{{Name: cmp.Or(name, "unknown"), Count: f.Count}} }
	switch by {
	case "profile":
		return one(f.profile())
	case "cause":
		return one(f.Cause)
	case "layer":
		return one(f.layer())
	case "directory":
		return one(f.directory())
	case "container":
		return f.parts(f.everyContainer(), func(c Counted) string { return cmp.Or(c.Name, container.ShortID(c.ID)) })
	case "image":
		return f.parts(f.everyContainer(), func(c Counted) string { return container.Repository(c.Image) })
	case "deploy":
		return f.parts(f.everyContainer(), func(c Counted) string { return c.Image })
	case "digest":
		return f.parts(f.everyContainer(), func(c Counted) string { return digest(c.Image) })
	case "program":
		if len(f.Programs) == 0 {
			return one(f.Subject.Comm)
		}
		return f.parts(f.Programs, func(c Counted) string { return c.Name })
	}
	return one(f.ruleKey())
}

// parts are the denials of a finding by name, and the rest.
func (f *Finding) parts(list []Counted, name func(Counted) string) (parts []Counted) {
	add := func(name string, n int) {
		i := slices.IndexFunc(parts, func(p Counted) bool { return p.Name == name })
		if i < 0 {
			parts = append(parts, Counted{Name: name, Count: n})
			return
		}
		parts[i].Count += n
	}
	for _, c := range list {
		add(cmp.Or(name(c), "unknown"), c.Count)
	}
	if n := rest(f.Count, list); n > 0 {
		add("unknown", n)
	}
	return parts
}

// ruleKey is the rule responsible with what its first fix makes of the policy. Findings
// without either are by themselves.
func (f *Finding) ruleKey() string {
	fix := ""
	if len(f.Fixes) > 0 {
		fix = f.Fixes[0].Rule
	}
	r := f.place()
	if fix == "" && r.Line == 0 {
		return f.ID
	}
	return strings.Join([]string{f.profile(), where(r), f.Cause, fix}, "\x00")
}

// profile is the AppArmor profile, or for seccomp the policy or the label of the process.
func (f *Finding) profile() string {
	return cmp.Or(f.Denial.Get("profile", "label"), f.Subject.Label, f.Policy)
}

// layer is which of the two refused.
func (f *Finding) layer() string {
	if f.Seccomp != nil {
		return "seccomp"
	}
	return "apparmor"
}

// kind is the class of what was refused.
func (f *Finding) kind() string {
	d := f.Denial
	switch {
	case f.Seccomp != nil:
		return "call"
	case d.Get("capname") != "" || d.Get("capability") != "":
		return "capability"
	case d.Get("operation") == "mount" || d.Get("operation") == "umount" || d.Get("operation") == "exec":
		return d.Get("operation")
	case strings.HasPrefix(d.Get("name"), "/"):
		return "file"
	case d.Get("family") != "":
		return "socket"
	}
	return cmp.Or(d.Get("operation"), "access")
}

// object is what was refused of its kind.
func (f *Finding) object() string {
	d := f.Denial
	switch f.kind() {
	case "call":
		return cmp.Or(f.Seccomp.SyscallName, d.Get("syscall"))
	case "capability":
		return cmp.Or(d.Get("capname"), d.Get("capability"))
	case "socket":
		return d.Get("family") + " " + d.Get("sock_type")
	}
	return d.Get("name", "peer", "member", "path", "target")
}

// directory is the first three folders of the path that was refused; of what is no path
// its kind.
func (f *Finding) directory() string {
	name := f.Denial.Get("name")
	if f.Seccomp != nil || !strings.HasPrefix(name, "/") {
		return f.kind()
	}
	parts := strings.SplitN(path.Dir(name), "/", 5)
	return cmp.Or(strings.Join(parts[:min(len(parts), 4)], "/"), "/")
}

// maxNamed bounds what a row names of its findings.
const maxNamed = 3

// whatOf says in few words what was refused: of one finding its sentence, of several
// their kind and what of it.
func whatOf(list []*Finding) string {
	if len(list) == 1 {
		s := sentenceOf(list[0])
		return string(escape.Join(s.what, " "))
	}
	var kinds, objects, folders []string
	add := func(to *[]string, s string) {
		if s != "" && !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	for _, f := range list {
		add(&kinds, f.kind())
		if name := f.Denial.Get("name"); f.Seccomp == nil && strings.HasPrefix(name, "/") {
			add(&folders, path.Dir(name))
		} else {
			add(&objects, f.object())
		}
	}
	if len(kinds) > 1 {
		slices.Sort(kinds)
		return some(kinds)
	}
	slices.Sort(objects)
	if len(objects) == 0 && len(folders) > 0 {
		return kinds[0] + " below " + common(folders)
	}
	return strings.TrimSpace(kinds[0] + " " + some(objects))
}

// some names the first of a list, and how many more there are.
func some(list []string) string {
	shown := list[:min(len(list), maxNamed)]
	text := strings.Join(shown, ", ")
	if n := len(list) - len(shown); n > 0 {
		text += " +" + thousands(n)
	}
	return text
}

// common is the folder that all folders are below.
func common(folders []string) string {
	c := folders[0]
	for _, f := range folders[1:] {
		for c != "/" && f != c && !strings.HasPrefix(f, c+"/") {
			c = path.Dir(c)
		}
	}
	return c
}

// bars are the heights of a sparkline.
var bars = []escape.Text{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

// sparkline draws how many denials came when, between two times, in as many cells. A cell
// without any is a dot.
func sparkline(t *Times, first, last string, cells int) escape.Text {
	from, err := time.Parse(time.RFC3339Nano, first)
	to, err2 := time.Parse(time.RFC3339Nano, last)
	if t == nil || err != nil || err2 != nil {
		return escape.Spaces(cells)
	}
	start, _ := time.Parse(time.RFC3339Nano, t.Start)
	span := max(to.Sub(from), time.Second)
	sums := make([]int, cells)
	for i, n := range t.Counts {
		middle := start.Add(time.Duration(i)*time.Duration(t.Seconds)*time.Second + time.Duration(t.Seconds)*time.Second/2)
		cell := int(float64(middle.Sub(from)) / float64(span) * float64(cells))
		sums[min(max(cell, 0), cells-1)] += int(n)
	}
	most := slices.Max(sums)
	var line escape.Text
	for _, n := range sums {
		if n == 0 {
			line += "·"
			continue
		}
		line += bars[(n*len(bars)-1)/max(most, 1)]
	}
	return line
}

// overviewLayout is how wide the columns of an overview are.
// containers is 0 where none is known.
type overviewLayout struct{ count, findings, containers, spark, risk, profile, cause int }

// newOverviewLayout fits the columns to the page and to what the groups have.
func newOverviewLayout(o *Overview, width int) overviewLayout {
	l := overviewLayout{count: 7, findings: 4, spark: 8, risk: 4, profile: 14, cause: 13}
	if width >= 100 {
		l.spark, l.profile, l.cause = 12, 20, 20
	}
	if slices.ContainsFunc(o.Groups, func(r Row) bool { return r.Containers > 0 }) {
		l.containers = 4
	}
	return l
}

// line joins the columns of a line.
func (l *overviewLayout) line(count, findings, containers, spark, risk, profile, cause escape.Text) []escape.Text {
	columns := []escape.Text{left(count, l.count), left(findings, l.findings), left(containers, l.containers), spark, risk, right(profile, l.profile), right(cause, l.cause)}
	if l.containers == 0 {
		columns = slices.Delete(columns, 2, 3)
	}
	return columns
}

// overview writes what is to be looked at first, and findings in groups as a table, in at
// most so many rows, and what is left.
func (p *page) overview(o *Overview, rows int) {
	if len(o.Groups) == 0 {
		return
	}
	p.urgent(o.Urgent, o.MoreUrgent)
	rows -= urgentRows(o.Urgent, o.MoreUrgent, p.width)
	l := newOverviewLayout(o, p.width)
	if len(o.Groups) > rows {
		rows-- // for the line of what is left
	}
	shown := o.Groups[:min(len(o.Groups), rows)]
	titles := l.line("count", "n", "in", right("when", l.spark), right("risk", l.risk), escape.Line(o.head()), escape.Line(o.second()))
	p.Add(p.paint(faint, escape.Join(append(titles, "what"), "  ")) + "\n")
	for _, row := range shown {
		p.row(o, row, l)
	}
	if n := len(o.Groups) - len(shown); n > 0 {
		hidden, findings := 0, 0
		for _, row := range o.Groups[len(shown):] {
			hidden, findings = hidden+row.Count, findings+row.Findings
		}
		p.Add(p.paint(faint, left(escape.Line(thousands(hidden)), l.count)+"  "+escape.Linef("and %s more with %s", count(n, "group"), count(findings, "finding"))) + "\n")
	}
	if o.Further > 0 {
		p.Add(p.paint(faint, escape.Linef("and %s beyond the %s with the most denials", count(o.Further, "group"), thousands(len(o.Groups)))) + "\n")
	}
}

// head is what the first names of the groups are: the profile, unless they are made by
// something else; and second what those after them are.
func (o *Overview) head() string {
	if slices.Contains(GroupKeys, o.By) && o.By != "rule" {
		return o.By
	}
	return "profile"
}

func (o *Overview) second() string {
	switch o.By {
	case "cause":
		return "profile"
	case "node", "cluster":
		return "blind"
	case "deploy":
		return "made"
	}
	return "cause"
}

// names are those of a group that head and second speak of.
func (o *Overview) names(row *Row) (first, second string) {
	names := map[string]string{"profile": cmp.Or(row.Profile, "several"), "cause": cmp.Or(row.Cause, "several"), "made": cmp.Or(row.Made, "-"), "blind": cmp.Or(row.Why, "-")}
	if row.Blind > 0 && o.By == "cluster" {
		names["blind"] = count(row.Blind, "node")
	}
	if o.head() != "profile" {
		names[o.head()] = row.Key
	}
	return names[o.head()], names[o.second()]
}

// row writes one group in one line.
func (p *page) row(o *Overview, row Row, l overviewLayout) {
	first, second := o.names(&row)
	in := escape.Text("-")
	if row.Containers > 0 {
		in = escape.Line(thousands(row.Containers))
	}
	risk, style := escape.Text("-"), faint
	if row.Risk != "" {
		risk, style = escape.Line(map[string]string{"low": "low", "medium": "mid", "high": "high", "investigate": "look"}[row.Risk]), riskStyle(row.Risk)
	}
	columns := l.line(escape.Line(thousands(row.Count)), escape.Line(thousands(row.Findings)), in,
		p.paint(arrow, sparkline(row.Times, o.First, o.Last, l.spark)), p.paint(style, right(risk, l.risk)), escape.Line(first), escape.Line(second))
	used := l.count + l.findings + l.containers + l.spark + l.risk + l.profile + l.cause + 2*len(columns)
	columns[0] = p.paint(strong, columns[0])
	p.Add(escape.Join(append(columns, clip(escape.Line(row.What), max(p.width-used, 12))), "  "), "\n")
}

// left and right pad text to a width, on the left and on the right; longer text is cut.
func left(t escape.Text, width int) escape.Text {
	t = clip(t, width)
	return escape.Spaces(width-t.Width()) + t
}

func right(t escape.Text, width int) escape.Text {
	t = clip(t, width)
	return t + escape.Spaces(width-t.Width())
}

// clip cuts text to a width, with an ellipsis.
func clip(t escape.Text, width int) escape.Text {
	if t.Width() <= width {
		return t
	}
	cells, _ := cellsOf(string(t), 0)
	n := 0
	for used := 0; n < len(cells) && used+cells[n].Width() < width; n++ {
		used += cells[n].Width()
	}
	return escape.Join(cells[:n], "") + "…"
}
