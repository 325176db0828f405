package upstream

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// defaultOnly returns what of CRI-O's source makes its default profile: the functions
// and variables, and the imports that they use. The rest of its package needs all of
// CRI-O.
func defaultOnly(text string) (string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "seccomp.go", text, 0)
	if err != nil {
		return "", err
	}
	wanted := []string{"DefaultProfile", "removeStringFromSlice", "validateSyscallIndex", "defaultProfileOnce", "defaultProfile"}
	var kept bytes.Buffer
	for _, d := range file.Decls {
		name := ""
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				name = d.Name.Name
			}
		case *ast.GenDecl:
			if v, ok := d.Specs[0].(*ast.ValueSpec); ok {
				name = v.Names[0].Name
			}
		}
		if !slices.Contains(wanted, name) {
			continue
		}
		if err := printer.Fprint(&kept, set, d); err != nil {
			return "", err
		}
		kept.WriteString("\n\n")
	}
	body := strings.ReplaceAll(kept.String(), "logrus.Fatalf", "log.Fatalf")
	var imports strings.Builder
	for _, name := range []string{"fmt", "log", "os", "slices", "sync", "golang.org/x/sys/unix"} {
		if strings.Contains(body, name[strings.LastIndexByte(name, '/')+1:]+".") {
			fmt.Fprintf(&imports, "\t%q\n", name)
		}
	}
	for _, i := range file.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(path, "upstream/") {
			fmt.Fprintf(&imports, "\tseccomp %q\n", path)
		}
	}
	return "package crio\n\nimport (\n" + imports.String() + ")\n\n" + body, nil
}
