package whydenied

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writers are the packages that write to people and to programs.
var writers = []string{"explain/report", "explain/deploy", "explain/export", "cmd/whydenied"}

// rawPolicy are the functions that write the text of policy as it is.
var rawPolicy = []string{
	"report.WriteDiff",  // a diff that is to be applied
	"report.WriteFiles", // policy files that are to be loaded
	"main.print",        // of observe, the same
}

// TestOutputIsEscaped holds that text reaches a stream only through the types of
// explain/escape: outside of it nothing becomes one of them but a constant, but for
// policy where rawPolicy says so, and no stream is written to.
func TestOutputIsEscaped(t *testing.T) {
	load := exports(t)
	for _, name := range writers {
		var raw []string
		for _, flaw := range unescaped(t, load, module+name, sources(t, name)) {
			if where, ok := strings.CutPrefix(flaw, "Raw in "); ok {
				raw = append(raw, where)
				continue
			}
			t.Error(flaw)
		}
		for _, where := range raw {
			assert.Contains(t, rawPolicy, where)
		}
	}
}

// TestUnescapedIsFound holds that the test of that finds each way round it.
func TestUnescapedIsFound(t *testing.T) {
	load := exports(t)
	for _, body := range []string{
		`fmt.Fprintf(w, "%s", raw)`,
		`fmt.Fprint(os.Stderr, raw)`,
		`fmt.Println(raw)`,
		`println(raw)`,
		`io.WriteString(w, raw)`,
		`io.Copy(w, strings.NewReader(raw))`,
		`w.Write([]byte(raw))`,
		`os.Stdout.WriteString(raw)`,
		`b := bufio.NewWriter(w); b.WriteString(raw)`,
		`json.NewEncoder(w).Encode(raw)`,
		`template.Must(template.New("").Parse(raw)).Execute(w, raw)`,
		`log.Print(raw)`,
		`f := w.Write; f([]byte(raw))`,
		`escape.Write(w, escape.Text(raw))`,
		`type mine escape.Text; escape.Write(w, escape.Text(mine(raw)))`,
		`escape.Write(w, escape.Raw(raw))`,
		`escape.Write(w, convert[escape.Text](raw))`,
		`var t escape.Text; reflect.ValueOf(&t).Elem().SetString(raw)`,
		`var t escape.Text; json.Unmarshal([]byte(raw), &t)`,
		`var t escape.Text; fmt.Sscan(raw, &t)`,
		`escape.XML(w, struct{ A []*struct{ B string } }{})`,
		`escape.ScriptData([]string{raw})`,
		`escape.HTMLText(escape.Text(raw))`,
		`var h escape.HTML = escape.HTML(raw); escape.Write(w, h)`,
	} {
		text := "package x\n" + `
import ("bufio"; "encoding/json"; "fmt"; "io"; "log"; "os"; "reflect"; "strings"; "text/template"; "github.com/whydenied/whydenied/explain/escape")
var (_ bufio.Writer; _ json.Encoder; _ fmt.Stringer; _ log.Logger; _ = os.Args; _ reflect.Kind; _ strings.Builder; _ template.Template; _ escape.Text)
func convert[T ~string](s string) T { return T(s) }
func F(w io.Writer, raw string) { ` + body + " }\n"
		clean := strings.Replace(text, body, `escape.Write(w, "a" + escape.Line(raw)); escape.XML(w, struct{ A []*struct{ B escape.Text } }{}); escape.ScriptData([]escape.Text{escape.Line(raw)}); var b strings.Builder; b.WriteString(raw); fmt.Fprint(&b, raw)`, 1)
		clean = strings.Replace(clean, "func convert[T ~string](s string) T { return T(s) }", "", 1)
		assert.Empty(t, unescaped(t, load, "x", map[string]string{"x.go": clean}))
		assert.NotEmpty(t, unescaped(t, load, "x", map[string]string{"x.go": text}), body)
	}
}

// exports returns where the compiled interfaces of packages are.
func exports(t *testing.T) importer.Lookup {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "log", "text/template", "reflect"}
	for _, name := range writers {
		args = append(args, "./"+name)
	}
	out, err := exec.Command("go", args...).Output()
	require.NoError(t, err)
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// sources returns the files of a package as this system builds it.
func sources(t *testing.T, name string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{.}} {{end}}`, "./"+name).Output()
	require.NoError(t, err)
	files := map[string]string{}
	for _, file := range strings.Fields(string(out)) {
		text, err := os.ReadFile(filepath.Join(name, file))
		require.NoError(t, err)
		files[file] = string(text)
	}
	return files
}

// unescaped returns where a package makes text of a destination itself, or writes to
// a stream.
func unescaped(t *testing.T, load importer.Lookup, name string, texts map[string]string) (flaws []string) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for file, text := range texts {
		parsed, err := parser.ParseFile(fset, file, text, 0)
		require.NoError(t, err)
		files = append(files, parsed)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", load), Error: func(error) {}}
	pkg, _ := config.Check(name, fset, files, info)
	require.True(t, pkg.Complete(), name)
	c := &escapeCheck{info: info}
	for _, file := range files {
		for _, decl := range file.Decls {
			within := ""
			if f, ok := decl.(*ast.FuncDecl); ok {
				within = pkg.Name() + "." + f.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				for _, what := range c.look(n) {
					if what == "Raw" {
						flaws = append(flaws, "Raw in "+within)
						continue
					}
					flaws = append(flaws, fset.Position(n.Pos()).String()+": "+what)
				}
				return true
			})
		}
	}
	return flaws
}

// An escapeCheck looks at nodes of a package.
type escapeCheck struct{ info *types.Info }

func (c *escapeCheck) look(n ast.Node) (flaws []string) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if s := c.info.Selections[n]; s != nil && s.Kind() == types.MethodVal && isStream(s.Recv()) && isWrite(n.Sel.Name) {
			flaws = append(flaws, "a stream is written to")
		}
		if f, ok := c.info.Uses[n.Sel].(*types.Func); ok && f.Pkg() != nil {
			switch path := f.Pkg().Path(); {
			case path == "log", path == "fmt" && strings.HasPrefix(f.Name(), "Print"):
				flaws = append(flaws, "standard output is written to")
			case path == "reflect" && strings.HasPrefix(f.Name(), "Set"):
				flaws = append(flaws, "a value is set by reflection")
			}
		}
	case *ast.CallExpr:
		if c.info.Types[n.Fun].IsType() {
			return c.conversion(n)
		}
		return c.call(n)
	}
	return flaws
}

// conversion looks at what becomes text of a destination.
func (c *escapeCheck) conversion(n *ast.CallExpr) []string {
	to, from := c.info.Types[n.Fun].Type, c.info.Types[n.Args[0]]
	if _, generic := to.(*types.TypeParam); generic {
		return []string{"a conversion to a type that is a parameter"}
	}
	kind := destination(to)
	switch {
	case kind == "" || from.Value != nil:
		return nil
	case kind == "Raw":
		return []string{"Raw"}
	}
	return []string{"a string becomes " + kind + " without being escaped"}
}

// call looks at what is given to functions of others: no stream but to be wrapped,
// and no text of a destination to be set.
func (c *escapeCheck) call(n *ast.CallExpr) (flaws []string) {
	var callee types.Object
	switch fun := ast.Unparen(n.Fun).(type) {
	case *ast.Ident:
		callee = c.info.Uses[fun]
	case *ast.SelectorExpr:
		callee = c.info.Uses[fun.Sel]
	}
	if b, ok := callee.(*types.Builtin); ok && strings.HasPrefix(b.Name(), "print") {
		return []string{"standard error is written to"}
	}
	f, ok := callee.(*types.Func)
	if !ok || f.Pkg() == nil {
		return nil
	}
	if f.FullName() == module+"explain/escape.ScriptData" && !onlyText(c.info.Types[n.Args[0]].Type, map[types.Type]bool{}) {
		return []string{"a script is given strings that are not escaped"}
	}
	if f.FullName() == module+"explain/escape.XML" && !onlyText(c.info.Types[n.Args[1]].Type, map[types.Type]bool{}) {
		return []string{"XML is given strings that are not escaped"}
	}
	if strings.HasPrefix(f.Pkg().Path(), module) || f.Pkg().Path() == "x" {
		return nil // which is looked at itself
	}
	wrapped := slices.Contains([]string{"bufio.NewWriter", "bufio.NewWriterSize", "(*github.com/spf13/cobra.Command).SetOut", "(*github.com/spf13/cobra.Command).SetErr"}, f.FullName())
	params := f.Signature().Params()
	for i, arg := range n.Args {
		of := c.info.Types[arg].Type
		if of == nil || params.Len() == 0 {
			continue
		}
		if isStream(params.At(min(i, params.Len()-1)).Type()) && isStream(of) && !wrapped {
			flaws = append(flaws, f.FullName()+" is given a stream to write to")
		}
		if p, ok := of.Underlying().(*types.Pointer); ok && destination(p.Elem()) != "" {
			flaws = append(flaws, f.FullName()+" is given text of a destination to set")
		}
	}
	return flaws
}

// onlyText reports whether all strings in a type are escaped.
func onlyText(of types.Type, seen map[types.Type]bool) bool {
	if destination(of) != "" || seen[of] || of.String() == "encoding/xml.Name" {
		return true
	}
	seen[of] = true
	switch u := of.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString == 0
	case *types.Pointer:
		return onlyText(u.Elem(), seen)
	case *types.Slice:
		return onlyText(u.Elem(), seen)
	case *types.Struct:
		for f := range u.Fields() {
			if !onlyText(f.Type(), seen) {
				return false
			}
		}
		return true
	}
	return false
}

// destination returns the name of the type of a destination's text, "" if it is none.
func destination(of types.Type) string {
	named, ok := types.Unalias(of).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != module+"explain/escape" {
		return ""
	}
	if basic, ok := named.Underlying().(*types.Basic); !ok || basic.Kind() != types.String {
		return ""
	}
	return named.Obj().Name()
}

// isWrite reports whether a method of a stream writes.
func isWrite(method string) bool {
	return strings.HasPrefix(method, "Write") || method == "ReadFrom" || method == "Print" || method == "Printf" || method == "Println" || method == "Encode"
}

var writerType = func() *types.Interface {
	bytesType := types.NewSlice(types.Typ[types.Byte])
	errorType := types.Universe.Lookup("error").Type()
	params := types.NewTuple(types.NewVar(0, nil, "p", bytesType))
	results := types.NewTuple(types.NewVar(0, nil, "n", types.Typ[types.Int]), types.NewVar(0, nil, "err", errorType))
	write := types.NewFunc(0, nil, "Write", types.NewSignatureType(nil, nil, nil, params, results, false))
	return types.NewInterfaceType([]*types.Func{write}, nil).Complete()
}()

// isStream reports whether values of a type can be written to, and are not text in
// memory.
func isStream(of types.Type) bool {
	switch strings.TrimPrefix(of.String(), "*") {
	case "strings.Builder", "bytes.Buffer":
		return false
	}
	return types.Implements(of, writerType) || types.Implements(types.NewPointer(of), writerType)
}
