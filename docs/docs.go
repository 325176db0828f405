// Package docs holds the pages that the program itself can show.
package docs

import (
	"embed"
	"slices"
)

//go:embed causes/*.md
var causes embed.FS

// Topics are the names of the pages that are no cause's, in the order in which they
// are listed. A command's page is shown by the command's help.
var Topics = []string{"logs", "silent", "messages", "capabilities", "formats", "json", "security"}

//go:embed logs.md silent.md messages.md capabilities.md formats.md json.md security.md
var topics embed.FS

// Cause returns the page of a cause, such as "deny-rule", as Markdown, and
// whether there is one.
func Cause(name string) (string, bool) {
	page, err := causes.ReadFile("causes/" + name + ".md")
	return string(page), err == nil
}

// Topic returns a page of Topics as Markdown, and whether there is one of the name.
func Topic(name string) (string, bool) {
	if !slices.Contains(Topics, name) {
		return "", false
	}
	page, err := topics.ReadFile(name + ".md")
	return string(page), err == nil
}
