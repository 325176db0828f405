package escape

import (
	"encoding/json"
	"html"
	"strings"
)

// HTML is a part of a document of HTML.
type HTML string

// HTMLText returns text as that of an element, or of an attribute in double quotes. It is
// not for a script or a style, which know no such escapes.
func HTMLText(t Text) HTML {
	return HTML(strings.ReplaceAll(html.EscapeString(string(t)), "\t", "&#9;"))
}

// ScriptData returns a value as JSON for a script element of type application/json.
// Nothing in it ends the element, opens a comment, or cannot be seen. All its strings are
// of Text, as what reads them shows them.
func ScriptData(value any) (HTML, error) {
	line, err := json.Marshal(value) // which has <, > and & as \u003c, \u003e and \u0026
	if err != nil {
		return "", err
	}
	return HTML(unseen(append(line, '\n'))), nil
}
