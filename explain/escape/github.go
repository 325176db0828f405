package escape

import (
	"fmt"
	"strings"
)

// An Annotation is a workflow command of GitHub Actions that shows something beside
// a file's line.
type Annotation string

// What GitHub's runner reads in workflow commands (actions/runner,
// ActionCommand.cs): in the message, and in the values of properties before it.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// Annotate returns an annotation, a line. What is not error or warning is a notice;
// line 0 is no place.
func Annotate(level, title, file string, line int, message string) Annotation {
	if level != "error" && level != "warning" {
		level = "notice"
	}
	where := "title=" + githubProperty.Replace(string(Line(title)))
	if line > 0 {
		where += fmt.Sprintf(",file=%s,line=%d", githubProperty.Replace(string(Line(file))), line)
	}
	return Annotation(fmt.Sprintf("::%s %s::%s\n", level, where, githubMessage.Replace(string(Line(message)))))
}
