package escapetest

import (
	"strings"

	"golang.org/x/net/html"
)

// An HTMLPage is a document as a browser parses it.
type HTMLPage struct {
	Elements []string            // each with its attributes as they stand, in order
	Comments []string            // which no browser shows
	Texts    map[string][]string // of the document, by the name of the element that holds it
}

// ReadHTML parses a document as HTML 5 says.
func ReadHTML(document string) (*HTMLPage, error) {
	root, err := html.Parse(strings.NewReader(document))
	if err != nil {
		return nil, err
	}
	page := &HTMLPage{Texts: map[string][]string{}}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			element := n.Data
			for _, a := range n.Attr {
				element += " " + a.Key + "=" + a.Val
			}
			page.Elements = append(page.Elements, element)
		case html.TextNode:
			page.Texts[n.Parent.Data] = append(page.Texts[n.Parent.Data], n.Data)
		case html.CommentNode:
			page.Comments = append(page.Comments, n.Data)
		}
	}
	return page, nil
}
