// Package docs holds the pages that the program itself can show.
package docs

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.md causes/*.md
var pages embed.FS

// Topics are the names of the pages that are no cause's and no command's, in the order in
// which they are listed. A command's page is shown by its file's name alone, as its name
// shows the command's help.
var Topics = []string{"logs", "silent", "messages", "capabilities", "formats", "json", "security"}

// Cause returns the page of a cause, such as "deny-rule", as Markdown, and
// whether there is one.
func Cause(name string) (string, bool) { return Page("causes/" + name + ".md") }

// Topic returns a page of Topics as Markdown, and whether there is one of the name.
func Topic(name string) (string, bool) {
	if !slices.Contains(Topics, name) {
		return "", false
	}
	return Page(name + ".md")
}

// Page returns a page by the name of its file, as other pages link it: "trace.md" or
// "causes/deny-rule.md"; and whether there is one.
func Page(name string) (string, bool) {
	if !strings.HasSuffix(name, ".md") {
		return "", false
	}
	page, err := pages.ReadFile(name)
	return string(page), err == nil
}
