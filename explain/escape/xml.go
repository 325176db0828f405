package escape

import (
	"encoding/xml"
	"io"
)

// XML writes a value as a document of XML. Its strings are to be of Text.
func XML(w io.Writer, value any) error {
	document, err := xml.MarshalIndent(value, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+disarm(string(document))+"\n")
	}
	return err
}
