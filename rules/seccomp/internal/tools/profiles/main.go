// Command profiles writes the built-in default profiles, builtin/texts.tar.gz, from
// the modules that hold them. Run it in rules/seccomp with go generate.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/seccomp/internal/tools/upstream"
)

func main() {
	log.SetFlags(0)
	out := flag.String("o", "builtin", "directory to write to")
	flag.Parse()
	made := map[string]string{} // names by text
	var archive bytes.Buffer
	z, err := gzip.NewWriterLevel(&archive, gzip.BestCompression)
	check(err)
	files := tar.NewWriter(z)
	containerds := newContainerds()
	for _, t := range upstream.Texts {
		var p *profile
		switch t.Project() {
		case "containerd":
			p = containerds.profile(t)
		case "crio":
			p = read(t)
			changeAsCRIO(p, t.Name)
		case "common":
			text, err := upstream.Written(containerds.program, t)
			check(err)
			p = parse(t, text)
		default:
			p = read(t)
			if slices.Contains(withoutRISCV64, t.Name) {
				p.dropRISCV64()
			}
		}
		text := p.text()
		if same := made[text]; same != "" {
			log.Fatalf("%s and %s are the same: rules/releases.tsv needs one of them", same, t.Name)
		}
		made[text] = t.Name
		check(files.WriteHeader(&tar.Header{Name: t.Name + ".json", Mode: 0o644, Size: int64(len(text)), Format: tar.FormatUSTAR}))
		_, err := files.Write([]byte(text))
		check(err)
	}
	check(files.Close())
	check(z.Close())
	check(os.WriteFile(filepath.Join(*out, "texts.tar.gz"), archive.Bytes(), 0o644))
}

// withoutRISCV64 are the texts of releases whose loader does not know the architecture
// of a riscv64 host: what the text has for it is never in force. It does since 23.0.16,
// 25.0.7 and 27.3.0 (goToNative of moby's profiles/seccomp/seccomp_linux.go).
var withoutRISCV64 = []string{"docker-23.0.0", "docker-23.0.7", "docker-23.0.10", "docker-25.0.0", "docker-25.0.3"}

// dropRISCV64 takes out what is for hosts of riscv64 alone.
func (p *profile) dropRISCV64() {
	p.ArchMap = slices.DeleteFunc(p.ArchMap, func(m archMap) bool { return m.Architecture == "SCMP_ARCH_RISCV64" })
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(e entry) bool {
		return e.Includes != nil && slices.Equal(e.Includes.Arches, []string{"riscv64"})
	})
}

// read returns the profile that a module holds as JSON.
func read(t upstream.Text) *profile {
	dir, err := upstream.ModuleDir(t.Module)
	check(err)
	text, err := os.ReadFile(filepath.Join(dir, t.File()))
	check(err)
	return parse(t, text)
}

// parse reads a profile, of which nothing is to be unknown.
func parse(t upstream.Text, text []byte) *profile {
	var p profile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		log.Fatalf("%s of %s: %v", t.File(), t.Module, err)
	}
	return &p
}

// The parts of a profile, in the order in which they are written.
type profile struct {
	DefaultAction   string    `json:"defaultAction"`
	DefaultErrnoRet *uint     `json:"defaultErrnoRet,omitempty"`
	DefaultErrno    string    `json:"defaultErrno,omitempty"`
	ArchMap         []archMap `json:"archMap"`
	Syscalls        []entry   `json:"syscalls"`
}

type archMap struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

type entry struct {
	Names    []string `json:"names"`
	Action   string   `json:"action"`
	ErrnoRet *uint    `json:"errnoRet,omitempty"`
	Errno    string   `json:"errno,omitempty"`
	Args     []arg    `json:"args,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	Includes *filter  `json:"includes,omitempty"`
	Excludes *filter  `json:"excludes,omitempty"`
}

type arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

type filter struct {
	Caps      []string `json:"caps,omitempty"`
	Arches    []string `json:"arches,omitempty"`
	MinKernel string   `json:"minKernel,omitempty"`
}

// text returns a profile as it is written, with its lists of names wrapped.
func (p *profile) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\t\"defaultAction\": %q,\n", p.DefaultAction)
	if p.DefaultErrnoRet != nil {
		fmt.Fprintf(&b, "\t\"defaultErrnoRet\": %d,\n", *p.DefaultErrnoRet)
	}
	if p.DefaultErrno != "" {
		fmt.Fprintf(&b, "\t\"defaultErrno\": %q,\n", p.DefaultErrno)
	}
	b.WriteString("\t\"archMap\": [\n")
	for i, m := range p.ArchMap {
		fmt.Fprintf(&b, "\t\t{\"architecture\": %q, \"subArchitectures\": %s}%s\n", m.Architecture, list(m.SubArchitectures), comma(i, len(p.ArchMap)))
	}
	b.WriteString("\t],\n\t\"syscalls\": [\n")
	for i, e := range p.Syscalls {
		fmt.Fprintf(&b, "\t\t{\n\t\t\t\"names\": [%s],\n", wrap(e.Names))
		e.Names = nil
		var rest []string
		for _, f := range fields(e) {
			rest = append(rest, "\t\t\t"+f)
		}
		fmt.Fprintf(&b, "%s\n\t\t}%s\n", strings.Join(rest, ",\n"), comma(i, len(p.Syscalls)))
	}
	b.WriteString("\t]\n}\n")
	return b.String()
}

// fields returns the fields of an entry but for its names, as JSON.
func fields(e entry) []string {
	out := []string{fmt.Sprintf("\"action\": %q", e.Action)}
	if e.ErrnoRet != nil {
		out = append(out, fmt.Sprintf("\"errnoRet\": %d", *e.ErrnoRet))
	}
	if e.Errno != "" {
		out = append(out, fmt.Sprintf("\"errno\": %q", e.Errno))
	}
	if len(e.Args) > 0 {
		var args []string
		for _, a := range e.Args {
			two := ""
			if a.ValueTwo != 0 {
				two = fmt.Sprintf("\"valueTwo\": %d, ", a.ValueTwo)
			}
			args = append(args, fmt.Sprintf("{\"index\": %d, \"value\": %d, %s\"op\": %q}", a.Index, a.Value, two, a.Op))
		}
		out = append(out, "\"args\": ["+strings.Join(args, ", ")+"]")
	}
	if e.Comment != "" {
		out = append(out, fmt.Sprintf("\"comment\": %q", e.Comment))
	}
	for _, f := range []struct {
		key string
		*filter
	}{{"includes", e.Includes}, {"excludes", e.Excludes}} {
		if f.filter == nil || reflect.DeepEqual(*f.filter, filter{}) {
			continue
		}
		var parts []string
		if len(f.Caps) > 0 {
			parts = append(parts, "\"caps\": "+list(f.Caps))
		}
		if len(f.Arches) > 0 {
			parts = append(parts, "\"arches\": "+list(f.Arches))
		}
		if f.MinKernel != "" {
			parts = append(parts, fmt.Sprintf("\"minKernel\": %q", f.MinKernel))
		}
		out = append(out, fmt.Sprintf("%q: {%s}", f.key, strings.Join(parts, ", ")))
	}
	return out
}

// list writes a list of strings on one line.
func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// wrap writes strings in lines of about a hundred columns.
func wrap(items []string) string {
	one := list(items)
	if len(one) < 90 {
		return one[1 : len(one)-1]
	}
	var b strings.Builder
	width := 1000
	for i, s := range items {
		if width+len(s) > 90 {
			b.WriteString("\n\t\t\t\t")
			width = 16
		} else {
			b.WriteString(" ")
		}
		n, _ := fmt.Fprintf(&b, "%q%s", s, comma(i, len(items)))
		width += n + 1
	}
	return b.String() + "\n\t\t\t"
}

func comma(i, n int) string {
	if i == n-1 {
		return ""
	}
	return ","
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
