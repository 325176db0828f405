// Package docs holds the pages that the program itself can show.
package docs

import "embed"

//go:embed causes/*.md
var causes embed.FS

// Cause returns the page of a cause, such as "deny-rule", as Markdown, and
// whether there is one.
func Cause(name string) (string, bool) {
	page, err := causes.ReadFile("causes/" + name + ".md")
	return string(page), err == nil
}
