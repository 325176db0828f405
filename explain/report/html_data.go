package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain/escape"
)

// pageData is what the script of an HTML page shows: findings as rows of columns, whose
// texts are indices of one table, as most of them come again and again.
type pageData struct {
	Strings  []escape.Text `json:"strings"`
	Start    int64         `json:"start"`   // of the first bucket of time, in Unix seconds
	Seconds  int64         `json:"seconds"` // the width of a bucket; 0 if no denial has a time
	Buckets  int           `json:"buckets"`
	Rows     pageRows      `json:"rows"`
	Groups   []pageGroup   `json:"groups"`
	Folds    []pageFold    `json:"folds"`
	Unlisted pageUnlisted  `json:"unlisted"`
}

// pageUnlisted counts findings that there was no room for.
type pageUnlisted struct {
	Findings int `json:"findings"`
	Denials  int `json:"denials"`
}

// A pageBuilder fills a page within a number of bytes.
type pageBuilder struct {
	pageData
	table map[escape.Text]int // of Strings
	room  int                 // bytes that are left
}

// pageRows are the columns of findings, and of folds of findings.
type pageRows struct {
	Who     []int     `json:"who"` // the parts of the sentence
	Verdict []int     `json:"verdict"`
	What    []int     `json:"what"`
	Count   []int     `json:"count"`
	First   []int     `json:"first"` // seconds from Start; -1 if unknown
	Last    []int     `json:"last"`
	Times   [][]int   `json:"times"`  // the number of the first bucket, and what it and those after it count
	Detail  [][][]int `json:"detail"` // blocks, each its kind and its parts; none where there was no room
}

// A pageGroup says in which groups of one kind each row is: a name alone, or names with
// the denials that are of each.
type pageGroup struct {
	Name escape.Text `json:"name"`
	Of   [][]int     `json:"of"`
}

// A pageFold is a row that stands for several findings, of which only the end of the
// sentence differs. What of the row is what comes before it.
type pageFold struct {
	Row    int           `json:"row"`
	Shared []int         `json:"shared"` // characters that a name has in common with the one before it
	Names  []escape.Text `json:"names"`  // the rest of each, in order
	Counts []int         `json:"counts"`
	First  []int         `json:"first"` // buckets; -1 if unknown
	Last   []int         `json:"last"`
}

// pageKeys are what the page can group by, and choose by.
var pageKeys = append(slices.Clone(GroupKeys), "risk", "verdict")

// A pageFinding is a finding with its sentence cut, so that what and name are what it may
// not; others can have all but the name.
type pageFinding struct {
	*Finding
	who, verdict, what, name escape.Text
}

// newPageFinding cuts the sentence of a finding before the last part of a path, or the last
// word.
func newPageFinding(f *Finding) pageFinding {
	s := sentenceOf(f)
	whole := escape.Join(s.what, " ")
	cut := strings.LastIndexAny(string(whole), "/ ") + 1
	if path := string(escape.Name(f.Denial.Get("name"))); path != `""` {
		if at := strings.LastIndex(string(whole), path); at >= 0 {
			cut = at + strings.LastIndex(path, "/") + 1
		}
	}
	return pageFinding{f, escape.Join(s.who, " "), escape.Join(s.verdict, " "), whole[:cut], whole[cut:]}
}

// newPageData fits findings, the weightiest first, into about so many bytes. While there is
// room each is by itself with all that is known of it. Else those with the most denials
// are, and the others are folded; what finds no room then is counted.
func newPageData(findings []pageFinding, room int) *pageData {
	d := newPageBuilder(findings, room)
	n := 0
	for n < len(findings) && d.room > 0 {
		d.addRow(&findings[n])
		n++
	}
	if n == len(findings) && d.room >= 0 {
		return &d.pageData
	}
	folded := 0
	for i := range findings {
		folded += findings[i].sizeFolded()
	}
	d = newPageBuilder(findings, room)
	for n = 0; n < len(findings) && room-d.room < max(room-folded, 0)/2; n++ {
		d.addRow(&findings[n])
	}
	d.fold(findings[n:])
	return &d.pageData
}

// sizeOfRow is about what the numbers of a row take.
const sizeOfRow = 400

// sizeFolded is about what a finding takes in a fold, where names in order share most.
func (f *pageFinding) sizeFolded() int { return len(`"",9,999,99,99,`) + min(len(f.name), 6) }

func newPageBuilder(findings []pageFinding, room int) *pageBuilder {
	d := &pageBuilder{pageData: pageData{Strings: []escape.Text{}, Groups: []pageGroup{}, Folds: []pageFold{}}, table: map[escape.Text]int{}, room: room}
	for _, key := range pageKeys {
		d.Groups = append(d.Groups, pageGroup{Name: escape.Line(key), Of: [][]int{}})
	}
	all := make([]*Times, len(findings))
	for i := range findings {
		all[i] = findings[i].Times
	}
	if t := mergeTimes(all...); t != nil {
		start, _ := time.Parse(time.RFC3339Nano, t.Start)
		d.Start, d.Seconds, d.Buckets = start.Unix(), t.Seconds, len(t.Counts)
	}
	return d
}

// maxPart bounds the bytes of one text of a page.
const maxPart = 2000

// shortened is text of at most maxPart bytes, and an ellipsis where it was longer.
func shortened(t escape.Text) escape.Text {
	if len(t) <= maxPart {
		return t
	}
	end := maxPart
	for !utf8.RuneStart(t[end]) {
		end--
	}
	return t[:end] + "…"
}

// intern returns the index of a text.
func (d *pageBuilder) intern(t escape.Text) int {
	t = shortened(t)
	i, known := d.table[t]
	if !known {
		i = len(d.Strings)
		d.table[t] = i
		d.Strings = append(d.Strings, t)
		d.room -= len(t) + len(`"",`)
	}
	return i
}

// numbers takes the room of numbers, and returns them.
func (d *pageBuilder) numbers(list ...int) []int {
	d.room -= len(`[],`)
	for _, n := range list {
		d.room -= len(strconv.Itoa(n)) + 1
	}
	return list
}

// addRow adds a finding with what is known of it.
func (d *pageBuilder) addRow(f *pageFinding) {
	whole := *f
	whole.what, whole.name = f.what+f.name, ""
	d.row(&whole)
	d.setDetail(len(d.Rows.Count)-1, newDetail(f.Finding))
}

// row adds the columns of a finding, without what is known of it.
func (d *pageBuilder) row(f *pageFinding) {
	r := &d.Rows
	first, last := d.offset(f.First), d.offset(f.Last)
	r.Who, r.Verdict, r.What = append(r.Who, d.intern(f.who)), append(r.Verdict, d.intern(f.verdict)), append(r.What, d.intern(f.what))
	r.Count, r.First, r.Last = append(r.Count, f.Count), append(r.First, first), append(r.Last, last)
	r.Times = append(r.Times, d.numbers(d.buckets(f.Times)...))
	r.Detail = append(r.Detail, [][]int{})
	d.numbers(f.Count, first, last, len(d.Strings), len(d.Strings), len(d.Strings))
	for i, key := range pageKeys {
		d.Groups[i].Of = append(d.Groups[i].Of, d.numbers(d.parts(f.pageGroups(key))...))
	}
}

// pageGroups are the groups that a finding is in on a page.
func (f *Finding) pageGroups(by string) []Counted {
	switch by {
	case "risk":
		return []Counted{{Name: cmp.Or(f.risk(), "without a fix"), Count: f.Count}}
	case "verdict":
		return []Counted{{Name: f.verdict(), Count: f.Count}}
	case "rule":
		if f.ruleKey() == f.ID {
			return []Counted{{Name: "no rule, no fix", Count: f.Count}}
		}
		return []Counted{{Name: strings.ReplaceAll(f.ruleKey(), "\x00", " "), Count: f.Count}}
	}
	return f.groups(by)
}

// verdict is what became of the access, in a word or two.
func (f *Finding) verdict() string {
	if f.Claim != nil {
		return "not logged"
	}
	return cmp.Or(map[string]string{
		"DENIED": "refused", "KILLED": "killed", "ALLOWED": "permitted, logged", "AUDIT": "permitted, audited", "HINT": "hint", "ERROR": "failed", "STATUS": "status",
	}[f.Mode], "refused")
}

// parts are groups as a column has them.
func (d *pageBuilder) parts(groups []Counted) (list []int) {
	if len(groups) == 1 {
		return []int{d.intern(escape.Line(groups[0].Name))}
	}
	for _, g := range groups {
		list = append(list, d.intern(escape.Line(g.Name)), g.Count)
	}
	return list
}

// offset is a time in seconds from the start, -1 if it is not known.
func (d *pageBuilder) offset(at string) int {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil || d.Seconds == 0 {
		return -1
	}
	return int(max(t.Unix()-d.Start, 0))
}

// buckets are times in the page's buckets, which are as wide or wider.
func (d *pageBuilder) buckets(t *Times) []int {
	if t == nil || d.Seconds == 0 {
		return []int{}
	}
	start, _ := time.Parse(time.RFC3339Nano, t.Start)
	counts := make([]int, d.Buckets)
	for i, n := range t.Counts {
		at := (start.Unix() + int64(i)*t.Seconds - d.Start) / d.Seconds
		counts[min(max(at, 0), int64(d.Buckets)-1)] += int(n)
	}
	first := slices.IndexFunc(counts, func(n int) bool { return n > 0 })
	if first < 0 {
		return []int{}
	}
	for counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	return append([]int{first}, counts[first:]...)
}

// maxPartLines bounds the lines of one block.
const maxPartLines = 400

// setDetail sets what is known of a row.
func (d *pageBuilder) setDetail(row int, known detail) {
	for _, b := range known {
		ints := []int{int(b.kind)}
		for i, part := range b.parts {
			if i == maxPartLines {
				ints = append(ints, d.intern(escape.Linef("… and %d lines more, of which there are too many to be shown", len(b.parts)-i)))
				break
			}
			ints = append(ints, d.intern(part))
		}
		d.Rows.Detail[row] = append(d.Rows.Detail[row], d.numbers(ints...))
	}
}

// fold adds findings that differ in their name alone as one row each. Folds of the
// weightiest get what is known of their first one, while there is room.
func (d *pageBuilder) fold(findings []pageFinding) {
	places := map[string]int{}
	var folds [][]*pageFinding
	for i := range findings {
		f := &findings[i]
		if d.room <= 0 {
			d.Unlisted.Findings++
			d.Unlisted.Denials += f.Count
			continue
		}
		key := strings.Join([]string{string(f.who + "\n" + f.verdict + "\n" + f.what), f.Cause, f.Why, f.profile(), f.risk(), f.Finding.verdict()}, "\n")
		at, known := places[key]
		if !known {
			at = len(folds)
			places[key] = at
			folds = append(folds, nil)
			d.room -= sizeOfRow
		}
		folds[at] = append(folds[at], f)
		d.room -= f.sizeFolded()
		for _, t := range []escape.Text{f.who, f.verdict, f.what} {
			d.intern(t)
		}
	}
	first := len(d.Rows.Count)
	for _, list := range folds {
		d.room += sizeOfRow
		d.addFold(list)
	}
	for i, list := range folds {
		if d.room <= 0 {
			break
		}
		d.setDetail(first+i, newDetail(list[0].Finding))
	}
}

// addFold adds findings as one row.
func (d *pageBuilder) addFold(list []*pageFinding) {
	one := *list[0].Finding
	all := pageFinding{&one, list[0].who, list[0].verdict, list[0].what, ""}
	times := []*Times{}
	for i, f := range list {
		times = append(times, f.Times)
		if i > 0 {
			one.Count += f.Count
			one.First, one.Last = earliest(one.First, f.First), max(one.Last, f.Last)
			one.Containers, one.Programs = mergeCounted(one.everyContainer(), f.everyContainer()), mergeCounted(one.Programs, f.Programs)
		}
	}
	one.Times = mergeTimes(times...)
	if len(list) > 1 && len(one.Fixes) > 0 { // whose rule is that of one name
		one.Fixes = []Fix{{Risk: one.Fixes[0].Risk}}
	}
	fold := pageFold{Row: len(d.Rows.Count)}
	d.row(&all)
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *pageFinding) int { return strings.Compare(string(a.name), string(b.name)) })
	before := escape.Text("")
	for _, f := range sorted {
		name := shortened(f.name)
		shared := sharedStart(before, name)
		fold.Shared, fold.Names = append(fold.Shared, utf16Length(name[:shared])), append(fold.Names, name[shared:])
		fold.Counts = append(fold.Counts, f.Count)
		fold.First, fold.Last = append(fold.First, d.bucket(f.First)), append(fold.Last, d.bucket(f.Last))
		before = name
	}
	d.Folds = append(d.Folds, fold)
}

// bucket is the bucket of a time, -1 if it is not known.
func (d *pageBuilder) bucket(at string) int {
	offset := d.offset(at)
	if offset < 0 {
		return -1
	}
	return min(offset/int(d.Seconds), d.Buckets-1)
}

// sharedStart is the length of what two names begin with, in bytes of whole characters.
func sharedStart(a, b escape.Text) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(b) && !utf8.RuneStart(b[n]) {
		n--
	}
	return n
}

// utf16Length is the length of text as JavaScript counts it.
func utf16Length(t escape.Text) int { return len(utf16.Encode([]rune(t))) }
