package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/whydenied/whydenied/docs"
	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
)

// outputFlags are the flags that say how findings are printed.
type outputFlags struct {
	formats  []string // that the command has, its default first
	format   string
	color    string
	text     string // of the template
	template *template.Template
	brief    bool // no flag of all commands: see report.TextOptions
}

func (f *outputFlags) add(flags *pflag.FlagSet, formats ...string) {
	f.formats = formats
	flags.StringVar(&f.format, "format", formats[0], "`FORMAT` of the answer: "+oneOf(formats))
	if slices.Contains(formats, "template") {
		flags.StringVar(&f.text, "template", "", "`TEXT` of --format template, as of Go's text/template, for each as JSON has it: '{{.id}} {{.count}}'")
	}
	flags.StringVar(&f.color, "color", "auto", "`WHEN` to colour text: auto, always or never")
}

// check refuses a format that the command does not have.
func (f *outputFlags) check() error {
	if !slices.Contains(f.formats, f.format) {
		return usagef("--format %q is unknown; use %s", f.format, oneOf(f.formats))
	}
	if when := []string{"auto", "always", "never"}; !slices.Contains(when, f.color) {
		return usagef("--color %q is unknown; use %s", f.color, oneOf(when))
	}
	return f.readTemplate()
}

// readTemplate reads what --template says.
func (f *outputFlags) readTemplate() (err error) {
	switch {
	case f.format != "template" && f.text != "":
		return usagef("--template is for --format template")
	case f.format != "template":
		return nil
	case f.text == "":
		return usagef("--format template needs --template TEXT, such as '{{.id}} {{.count}} {{.message}}'")
	}
	if f.template, err = report.ParseTemplate(f.text); err != nil {
		return usagef("--template: %v", err)
	}
	return nil
}

// oneOf lists words: "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// A reporter writes the report of a command in the format that was chosen. What it
// holds is written at the end.
type reporter struct {
	report.Report
	format  report.Format
	options report.TextOptions
	stderr  io.Writer
	out     *bufio.Writer
	stream  func(report.Message) error // nil for a format that is one document
}

// reporter begins the report of a command, whose format is of the table.
func (f *outputFlags) reporter(cmd *cobra.Command) (*reporter, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	r := &reporter{
		Report:  report.Report{Version: version(), Help: docs.Cause},
		format:  report.Formats[slices.Index(report.FormatNames(), f.format)],
		options: f.textOptions(cmd),
		out:     bufio.NewWriter(cmd.OutOrStdout()),
		stderr:  cmd.ErrOrStderr(),
	}
	if r.format.Stream != nil {
		r.stream = r.format.Stream(r.out, r.options)
	}
	return r, nil
}

// print writes a message where the format is written message by message, else the
// report holds it.
func (r *reporter) print(m report.Message) error {
	if r.stream == nil {
		return r.Add(m)
	}
	return r.stream(m)
}

// findings prints findings.
func (r *reporter) findings(list []*explain.Explained) error {
	for _, f := range list {
		m := report.NewFinding(*f)
		if err := r.print(report.Message{Finding: &m}); err != nil {
			return err
		}
	}
	return nil
}

// end writes what the report holds, and has all appear.
func (r *reporter) end() error {
	return errors.Join(r.format.Write(r.out, &r.Report, r.options), r.out.Flush())
}

// printer returns a function that prints a message of a command that reports no
// findings, and one that must be called for what it printed to appear.
func printer[Message any](cmd *cobra.Command, f outputFlags,
	text func(io.Writer, report.TextOptions) func(Message) error) (print func(Message) error, flush func() error, err error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if f.format == "json" {
		return report.NewJSONLines[Message](out), out.Flush, nil
	}
	return text(out, f.textOptions(cmd)), out.Flush, nil
}

// printAll prints the messages of a command that reports no findings.
func printAll[Message any](cmd *cobra.Command, f outputFlags, text func(io.Writer, report.TextOptions) func(Message) error, list []Message) error {
	print, flush, err := printer(cmd, f, text)
	if err != nil {
		return err
	}
	for _, m := range list {
		if err := print(m); err != nil {
			return err
		}
	}
	return flush()
}

// messages prints those of a command that reports no findings, in any format that it
// has: those that are neither text nor JSON write them as diagnostics.
type messages[Message any] struct {
	print func(Message) error
	end   func() error // must be called for what was printed to appear
	title string       // what the messages come to, for the formats that are one document
}

func newPrinter[Message any](cmd *cobra.Command, f outputFlags, text func(io.Writer, report.TextOptions) func(Message) error,
	diagnostic func(Message) report.Diagnostic) (*messages[Message], error) {
	m := &messages[Message]{}
	var err error
	m.print, m.end, err = printer(cmd, f, text)
	if err != nil || f.format == "text" || f.format == "json" {
		return m, err
	}
	all := report.Report{Version: version()}
	m.print = func(one Message) error {
		all.Diagnostics = append(all.Diagnostics, diagnostic(one))
		return nil
	}
	m.end = func() error {
		all.Title = m.title
		out := bufio.NewWriter(cmd.OutOrStdout())
		format := report.TAP
		if i := slices.Index(report.FormatNames(), f.format); i >= 0 {
			format = report.Formats[i]
		}
		return errors.Join(format.Write(out, &all, f.textOptions(cmd)), out.Flush())
	}
	return m, nil
}

// textOptions returns how text is to look.
func (f *outputFlags) textOptions(cmd *cobra.Command) report.TextOptions {
	width, terminal := terminalWidth(cmd.OutOrStdout())
	opts := report.TextOptions{Width: width, Brief: f.brief, Template: f.template, Rows: screenRows(cmd.OutOrStdout())}
	if terminal { // elsewhere times are printed whole, and the same whenever it is run
		opts.Now = time.Now()
	}
	wanted := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	opts.Color = f.color == "always" || f.color == "auto" && wanted
	return opts
}

// terminalWidth returns the columns to print in, and whether w is a terminal.
// Anything else, such as a pager, a file or a mail, is given what COLUMNS says
// or 100.
func terminalWidth(w io.Writer) (width int, terminal bool) {
	otherwise := 100
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		otherwise = max(n, 40)
	}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return otherwise, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return otherwise, true
	}
	return max(width, 40), true
}

// screenRows returns the lines of the terminal, or what LINES says, or 48: what is read
// otherwise can be scrolled.
func screenRows(w io.Writer) int {
	rows := 48
	if n, err := strconv.Atoi(os.Getenv("LINES")); err == nil && n > 0 {
		rows = n
	}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if _, height, err := term.GetSize(int(file.Fd())); err == nil && height > 0 {
			return height
		}
	}
	return rows
}

// warn prints diagnostics of a policy file, a line each.
func warn(w io.Writer, diagnostics []rules.Diagnostic) {
	for _, d := range diagnostics {
		if d.Severity == rules.Error {
			say(w, "%v", d)
		}
	}
}

// A progress is a line on a terminal that says how far a long job is. It stays
// silent for the first second, and everywhere but on a terminal.
type progress struct {
	w       io.Writer // nil if there is no terminal
	started time.Time
	shown   time.Time
	bytes   int
	total   int // bytes that there are; 0 if that is not known
	denials int
}

func newProgress(w io.Writer) *progress {
	p := &progress{started: time.Now()}
	if _, terminal := terminalWidth(w); terminal {
		p.w = w
	}
	return p
}

// update adds what was read since the last update.
func (p *progress) update(bytes, denials int) {
	p.bytes += bytes
	p.denials += denials
	now := time.Now()
	if p.w == nil || now.Sub(p.started) < time.Second || now.Sub(p.shown) < 200*time.Millisecond {
		return
	}
	p.show(now, p.line(now.Sub(p.started)))
}

// line says what was read in a time, how fast, and how long the rest takes at that rate.
func (p *progress) line(in time.Duration) escape.Text {
	rate := float64(p.bytes) / in.Seconds()
	speed := fmt.Sprintf("%.0f MB/s", rate/(1<<20))
	if p.total <= p.bytes || rate == 0 {
		return escape.Linef("read %d MB (%s), %d denials", p.bytes>>20, speed, p.denials)
	}
	left := time.Duration(float64(p.total-p.bytes) / rate * float64(time.Second)).Round(time.Second)
	return escape.Linef("read %d of %d MB (%s, %s left), %d denials", p.bytes>>20, p.total>>20, speed, left, p.denials)
}

// step shows what is being worked on.
func (p *progress) step(what string) {
	if now := time.Now(); p.w != nil && now.Sub(p.started) >= time.Second {
		p.show(now, escape.Line(what))
	}
}

func (p *progress) show(now time.Time, line escape.Text) {
	p.shown = now
	width, _ := terminalWidth(p.w)
	escape.Status(p.w, line, width)
}

// clear removes the line.
func (p *progress) clear() {
	if p.w != nil && !p.shown.IsZero() {
		escape.Status(p.w, "", 0)
		p.shown = time.Time{}
	}
}
