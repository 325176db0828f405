package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // of the page's script and style
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
)

// The script and the style of the page. Its parts are one script, as each would else have
// a hash of its own.
var (
	//go:embed page/page.css
	pageStyle escape.HTML
	//go:embed page/data.js
	pageScriptData escape.HTML
	//go:embed page/detail.js
	pageScriptDetail escape.HTML
	//go:embed page/timeline.js
	pageScriptTimeline escape.HTML
	//go:embed page/list.js
	pageScriptList escape.HTML

	pageScript = pageScriptData + pageScriptDetail + pageScriptTimeline + pageScriptList
)

const (
	pageWidth = 96      // columns of its excerpts
	pageSize  = 2900000 // bytes that a page has at most; one that is mailed has to stay below 3 MB
	pageFirst = 20      // findings that are there without a script, and groups
)

// pagePolicy forbids all but the page's own script and style: no request leaves, nothing
// is evaluated, and no string becomes HTML.
func pagePolicy(script, style escape.HTML) escape.HTML {
	hash := func(text escape.HTML) escape.HTML {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + escape.HTMLText(escape.Line(base64.StdEncoding.EncodeToString(sum[:]))) + "'"
	}
	return "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) +
		"; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// A document collects HTML.
type document struct{ escape.Builder[escape.HTML] }

func writeHTML(w io.Writer, r *Report, _ TextOptions) error { return WriteHTML(w, r) }

// WriteHTML writes a report as one page that needs nothing else: what matters most is
// there as it stands, and a script shows all findings and selects of them.
func WriteHTML(w io.Writer, r *Report) error {
	findings := slices.Clone(r.Findings)
	Sort(findings, "count")
	d := &document{}
	d.head(r)
	d.verdicts(findings)
	d.losses(r)
	d.urgent(findings)
	d.groups(findings)
	d.findings(findings)
	d.others(r)
	d.causes(r, findings)
	d.Add("</main>\n")
	if len(findings) > 0 {
		if err := d.script(findings); err != nil {
			return err
		}
	}
	d.Add("</body>\n</html>\n")
	return escape.Write(w, d.Text())
}

// script adds the script with the findings that it shows, as many as the page has room for.
func (d *document) script(findings []Finding) error {
	cut := make([]pageFinding, len(findings))
	for i := range findings {
		cut[i] = newPageFinding(&findings[i])
	}
	left := pageSize - len(d.Text()) - len(pageScript)
	for room := left; ; room -= room / 4 { // as the size of JSON is known for sure when it is made
		data, err := escape.ScriptData(newPageData(cut, room))
		if err != nil {
			return err
		}
		if len(data) <= left || room < 1<<10 {
			d.Add(`<script type="application/json" id="data">`, data, "</script>\n<script type=\"module\">", pageScript, "</script>\n")
			return nil
		}
	}
}

// text adds what comes from outside.
func (d *document) text(s string) { d.Add(escape.HTMLText(escape.Line(s))) }

// element adds an element that holds text alone.
func (d *document) element(open escape.HTML, text escape.Text, end escape.HTML) {
	d.Add(open, escape.HTMLText(text), end)
}

// open begins a page, up to its title, that may have one script and one style.
func (d *document) open(title escape.Text, script, style escape.HTML) {
	d.Add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, pagePolicy(script, style), "\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n")
	d.element("<title>", title, "</title>\n")
	d.Add("<style>", style, "</style>\n</head>\n<body>\n<header>\n")
	d.element("<h1>", title, "</h1>\n")
}

// head adds what the page is of.
func (d *document) head(r *Report) {
	title := escape.Text("whydenied")
	if r.Config != nil && len(r.Config.Inputs) > 0 {
		title += ": " + escape.Line(some(r.Config.Inputs))
	}
	d.open(title, pageScript, pageStyle)
	if s := r.Summary; s != nil {
		d.element("<p class=\"lead\">", escape.Linef("%s in %s", count(s.Denials, "denial"), count(s.Findings, "finding")), "")
		if when := timespan(s.First, s.Last, TextOptions{}.Now); when != "" {
			d.element(", <time>", when, " UTC</time>")
		}
		d.Add("</p>\n")
	}
	if c := r.Config; c != nil {
		d.Add("<dl class=\"inputs\">\n")
		d.pair("read", strings.Join(c.Inputs, ", "))
		d.pair("policies", strings.Join(c.Policies, ", "))
		d.pair("inventory", strings.Join(c.Inventory, ", "))
		if f := c.Filters; f != nil {
			d.pair("only", strings.Join(slices.DeleteFunc([]string{labelled("since", f.Since), labelled("until", f.Until), labelled("container", f.Container...),
				labelled("profile", f.Profile...), labelled("comm", f.Comm...)}, func(s string) bool { return s == "" }), ", "))
		}
		d.pair("by", "whydenied "+c.Version)
		d.Add("</dl>\n")
	}
	d.Add("</header>\n<main>\n")
}

// labelled is a label with values, "" if there are none.
func labelled(label string, values ...string) string {
	text := strings.Join(values, " or ")
	if text == "" {
		return ""
	}
	return label + " " + text
}

// pair adds a term and its description, if there is one.
func (d *document) pair(term escape.HTML, text string) {
	if text != "" {
		d.element("<div><dt>"+term+"</dt><dd>", escape.Line(text), "</dd></div>\n")
	}
}

// verdicts adds how many denials had which end.
func (d *document) verdicts(findings []Finding) {
	type verdict struct{ findings, denials int }
	sums := map[string]verdict{}
	var names []string
	for i := range findings {
		name := findings[i].verdict()
		if _, known := sums[name]; !known {
			names = append(names, name)
		}
		sums[name] = verdict{sums[name].findings + 1, sums[name].denials + findings[i].Count}
	}
	if len(names) == 0 {
		d.Add("<p>No finding.</p>\n")
		return
	}
	d.Add("<section aria-label=\"Verdicts\"><ul class=\"verdicts\">\n")
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(sums[b].denials-sums[a].denials, strings.Compare(a, b)) })
	for _, name := range names {
		d.element("<li><strong>", escape.Line(thousands(sums[name].denials)), "</strong> ")
		d.element("<span>", escape.Line(name), "</span> ")
		d.element("<small>", escape.Line("in "+count(sums[name].findings, "finding")), "</small></li>\n")
	}
	d.Add("</ul></section>\n")
}

// losses adds what of the log was not understood, or did not reach it, and which policies
// are not known.
func (d *document) losses(r *Report) {
	s := r.Summary
	if s == nil {
		return
	}
	d.Add("<section id=\"losses\"><h2>What was read, and what may be missing</h2>\n")
	d.element("<p>", escape.Line(summaryLine(s)), ".</p>\n")
	if r.Incomplete {
		d.Add("<p class=\"alert\">Something that was to be read could not be.</p>\n")
	}
	if len(missingParts(s.Missing)) == 0 && s.Watched.String() == "" {
		d.Add("<p>The log has no sign of records that are missing. What policies refuse without a record, no log has.</p>\n")
	}
	if len(s.NotFound) > 0 {
		d.element("<details><summary>Policies that were not found, so that no rule of theirs was judged: ", escape.Number(len(s.NotFound)), "</summary>\n<ul>\n")
		for _, n := range s.NotFound {
			d.element("<li><b>", escape.Line(n.Name), "</b> ")
			d.text("(" + n.Kind + ", " + count(n.Findings, "finding") + "): give " + n.Send)
			d.Add("</li>\n")
		}
		d.Add("</ul></details>\n")
	}
	if len(s.Samples) > 0 {
		d.Add("<details><summary>Lines that were not understood</summary>\n<ul>\n")
		for _, u := range s.Samples {
			d.element("<li>", escape.Line(u.File)+":"+escape.Number(u.Line)+": "+escape.Line(u.Why)+": ", "")
			d.element("<code>", escape.Line(u.Text), "</code></li>\n")
		}
		d.Add("</ul></details>\n")
	}
	d.Add("</section>\n")
}

// urgent adds the findings to look at first.
func (d *document) urgent(findings []Finding) {
	first, more := urgent(findings)
	if len(first) == 0 {
		return
	}
	d.Add("<section id=\"urgent\"><h2>To look at first</h2>\n<ul>\n")
	for _, u := range first {
		d.element("<li><strong>", escape.Line(u.Message), "</strong>")
		if u.Why != "" {
			d.element("<span>: ", escape.Line(u.Why), "</span>")
		}
		d.Add("</li>\n")
	}
	d.Add("</ul>\n")
	if more > 0 {
		d.element("<p>and ", escape.Line(count(more, "more such finding")), ".</p>\n")
	}
	d.Add("</section>\n")
}

// groups adds the table of groups that summary prints.
func (d *document) groups(findings []Finding) {
	if len(findings) < 2 {
		return
	}
	o := fitOverview(findings, pageFirst)
	d.Add("<section id=\"overview\"><h2>Overview</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>denials</th><th>findings</th><th>when</th><th>risk</th><th>profile</th><th>cause</th><th>what</th></tr></thead>\n<tbody>\n")
	for _, row := range o.Groups[:min(len(o.Groups), pageFirst)] {
		d.element("<tr><td class=\"n\" data-of=\"denials\">", escape.Line(thousands(row.Count)), "</td>")
		d.element("<td class=\"n\" data-of=\"findings\">", escape.Line(thousands(row.Findings)), "</td>")
		d.element("<td class=\"spark\" aria-hidden=\"true\">", sparkline(row.Times, o.First, o.Last, 12), "</td>")
		d.risk("td", escape.Line(cmp.Or(row.Risk, "-")))
		d.element("<td>", escape.Line(cmp.Or(row.Profile, "several")), "</td>")
		d.element("<td>", escape.Line(cmp.Or(row.Cause, "several")), "</td>")
		d.element("<td>", escape.Line(row.What), "</td></tr>\n")
	}
	d.Add("</tbody></table></div>\n")
	if n := len(o.Groups) - pageFirst; n > 0 {
		d.element("<p>and ", escape.Line(count(n, "group")), " more with fewer denials.</p>\n")
	}
	d.Add("</section>\n")
}

// risk adds a risk with its class.
func (d *document) risk(tag escape.HTML, risk escape.Text) {
	class := map[escape.Text]escape.HTML{"low": "low", "medium": "medium", "high": "high", "investigate": "investigate"}[risk]
	d.element("<"+tag+" class=\"risk "+class+"\">", risk, "</"+tag+">")
}

// findings adds the first findings whole, which the script replaces by all of them.
func (d *document) findings(findings []Finding) {
	if len(findings) == 0 {
		return
	}
	d.Add("<section id=\"findings\"><h2>Findings</h2>\n")
	shown := findings[:min(len(findings), pageFirst)]
	d.element("<noscript><p>These are the ", escape.Line(count(len(shown), "finding")), " with the most denials. A script that is part of this page has all, with a timeline and filters.</p></noscript>\n")
	d.Add("<div id=\"timeline\"></div>\n<form id=\"controls\" role=\"search\" hidden></form>\n<ol id=\"list\" class=\"findings\">\n")
	for i := range shown {
		f := &shown[i]
		d.Add("<li><details><summary>")
		d.element("<span class=\"count\">×", escape.Line(thousands(f.Count)), "</span> ")
		d.element("<span class=\"sentence\">", escape.Line(f.Message), "</span> ")
		if f.risk() != "" {
			d.risk("span", escape.Line(f.risk()))
		}
		d.Add("</summary>\n")
		d.blocks(newDetail(f))
		d.Add("</details></li>\n")
	}
	d.Add("</ol></section>\n")
}

// blocks adds a detail as detail.js shows it.
func (d *document) blocks(list detail) {
	d.Add("<div class=\"detail\">\n")
	for _, b := range list {
		switch b.kind {
		case textBlock, alertBlock:
			class := map[blockKind]escape.HTML{alertBlock: " class=\"alert\""}[b.kind]
			d.element("<p"+class+"><b>", b.parts[0], "</b> ")
			d.element("", b.parts[1], "</p>\n")
		case fixBlock:
			d.element("<h3>", b.parts[0], " ")
			if b.parts[1] != "" {
				d.risk("span", b.parts[1])
			}
			d.Add("</h3>\n")
		case partBlock:
			d.element("<h3>", b.parts[0], "</h3>\n")
		default:
			d.element("<pre>", escape.Join(b.parts, "\n"), "</pre>\n")
		}
	}
	d.Add("</div>\n")
}

// others adds what a report has besides findings: a patch, diagnostics, what is silent, and
// notices.
func (d *document) others(r *Report) {
	if r.Patch != nil && len(r.Patch.Fixed)+len(r.Patch.Left) > 0 {
		d.element("<section id=\"patch\"><h2>Patch</h2>\n<pre>", r.Patch.text(), "</pre>\n")
		d.Add("</section>\n")
	}
	if r.Check != nil {
		d.element("<section id=\"diagnostics\"><h2>", escape.Line(r.Check.String()), "</h2>\n")
	}
	for i := range r.Diagnostics {
		one := &r.Diagnostics[i]
		d.element("<article><h3>", escape.Line(one.Severity+"["+one.Code+"]: "+one.Message), "</h3>\n")
		d.blocks(newDiagnosticDetail(one))
		d.Add("</article>\n")
	}
	if r.Check != nil {
		d.Add("</section>\n")
	}
	if r.Silent != nil {
		p := &page{width: pageWidth}
		p.silent(r.Silent)
		d.element("<section id=\"silent\"><h2>What leaves no record</h2>\n<pre>", p.Text(), "</pre></section>\n")
	}
	if len(r.Notices) > 0 {
		d.Add("<section id=\"notices\"><h2>Notices</h2>\n<ul>\n")
		for _, n := range r.Notices {
			d.element("<li>", escape.Line(n.Kind+": "+n.Text), "</li>\n")
		}
		d.Add("</ul></section>\n")
	}
}

// causes adds the pages on the causes of the findings.
func (d *document) causes(r *Report, findings []Finding) {
	var causes []string
	for i := range findings {
		if c := findings[i].Cause; !slices.Contains(causes, c) {
			causes = append(causes, c)
		}
	}
	slices.Sort(causes)
	first := true
	for _, c := range causes {
		page, ok := "", false
		if r.Help != nil {
			page, ok = r.Help(c)
		}
		if !ok {
			continue
		}
		if first {
			d.Add("<section id=\"causes\"><h2>What the causes mean</h2>\n")
			first = false
		}
		d.element("<details><summary>", escape.Line(c), "</summary>\n")
		d.element("<pre class=\"page\">", escape.Lines(page), "</pre></details>\n")
	}
	if !first {
		d.Add("</section>\n")
	}
}
