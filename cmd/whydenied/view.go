package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain/report"
)

// viewFlags are the flags that say which findings come first, and how they are grouped.
type viewFlags struct {
	top  int
	sort string
	by   string
}

func (f *viewFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.top, "top", 0, "only the first `N` findings, of --sort, or those to look at first and with the most denials")
	flags.StringVar(&f.sort, "sort", "", "`ORDER` of the findings: "+oneOf(report.Orders)+", the most, latest, riskiest or newest first")
	flags.StringVar(&f.by, "by", "", "group by `WHAT`: "+oneOf(report.GroupKeys))
}

func (f *viewFlags) check() error {
	if f.sort != "" && !slices.Contains(report.Orders, f.sort) {
		return usagef("--sort %q is unknown; use %s", f.sort, oneOf(report.Orders))
	}
	if f.by != "" && !slices.Contains(report.GroupKeys, f.by) {
		return usagef("--by %q is unknown; use %s", f.by, oneOf(report.GroupKeys))
	}
	if f.top < 0 {
		return usagef("--top %d: it must be 1 or more", f.top)
	}
	return nil
}

// choose sorts findings as the flags say, and returns the first of them. long says that
// they are more than a screen has: those that came most often are first then.
func (f *viewFlags) choose(findings []report.Finding, long bool) []report.Finding {
	if order := f.sort; order != "" || f.top > 0 || f.by != "" || long {
		report.Sort(findings, order)
	}
	if f.top > 0 && f.top < len(findings) {
		return findings[:f.top]
	}
	return findings
}

// show prints a report: above findings that are more than a screen has, or that are to be
// grouped, a table of them. grouped is that table where it is known, else nil.
func (r *reporter) show(all *report.Report, f *viewFlags, grouped *report.Overview) error {
	var overview *report.Overview
	switch {
	case r.format.Name != "text":
	case grouped != nil:
		overview = grouped
	default:
		overview = r.options.Overview(all.Findings)
	}
	shown := f.choose(all.Findings, overview != nil)
	if n := len(all.Findings) - len(shown); n > 0 {
		denials := 0
		for i := range all.Findings[len(shown):] {
			denials += all.Findings[len(shown)+i].Count
		}
		say(r.stderr, "--top %d: %d more findings with %d denials are not shown", f.top, n, denials)
	}
	end := r.last(all)
	list := []report.Message{{Config: all.Config}, {Next: r.first(all, end)}, {Overview: overview}}
	for i := range shown {
		list = append(list, report.Message{Finding: &shown[i]})
	}
	for i := range all.Notices {
		list = append(list, report.Message{Notice: &all.Notices[i]})
	}
	list = append(list, report.Message{Summary: all.Summary}, report.Message{Silent: end}, report.Message{Patch: all.Patch})
	for _, m := range list {
		if m == (report.Message{}) {
			continue
		}
		if err := r.print(m); err != nil {
			return err
		}
	}
	return nil
}

// last is what text ends with: what is silent, else the commands to type next, unless the
// summary has said what to give.
func (r *reporter) last(all *report.Report) *report.Silent {
	said := all.Summary != nil && len(all.Summary.NotFound) > 0 && r.options.Fits(all)
	if all.Silent != nil || r.format.Name != "text" || r.options.Brief || len(all.Next) == 0 || said {
		return all.Silent
	}
	return &report.Silent{Next: all.Next}
}

// first are the commands to type next for the head of a text whose end is on another screen.
func (r *reporter) first(all *report.Report, end *report.Silent) *report.Next {
	if end == nil || r.format.Name != "text" || len(end.Next) == 0 || r.options.Fits(&report.Report{Findings: all.Findings, Summary: all.Summary, Silent: end}) {
		return nil
	}
	return &report.Next{Steps: end.Next}
}
