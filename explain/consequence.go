package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

// soon is how long after a denial an end is told with it.
const soon = 10 * time.Second

// consequence says that the finding's container ended soon after the last denial, and how, if
// its metadata do. Of several containers it is not known whose the last denial was, and one
// that was told by its end would be an argument in a circle.
func (f *Finding) consequence() string {
	c := &f.Container
	if len(f.Containers) > 1 || c.Confidence < container.Medium || f.Last.IsZero() || f.Denial.Mode == parser.Allowed || c.OOMKilled {
		return ""
	}
	// Kubernetes has whole seconds, which may have begun before the denial.
	after := c.Ended.Sub(f.Last.Truncate(time.Second))
	if c.Ended.IsZero() || after < 0 || after > soon {
		return ""
	}
	runsAgain := c.Finished.IsZero() || c.Finished.Before(c.Ended)
	if c.ExitCode == 0 && !runsAgain {
		return ""
	}
	text := "its container ended within a second of the last denial"
	if n := int(c.Ended.Sub(f.Last) / time.Second); n > 0 {
		text = fmt.Sprintf("its container ended %d s after the last denial", n)
	}
	if c.ExitCode != 0 { // Docker forgets that of a container that runs again
		text += fmt.Sprintf(", with exit code %d", c.ExitCode)
	}
	if signal := c.ExitCode - 128; signal > 0 && signal < 65 {
		text += fmt.Sprintf(", as of signal %d", signal)
	}
	if runsAgain {
		text += ", and was started again"
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf("; it was restarted %d times so far", c.Restarts)
	}
	if said, _, _ := strings.Cut(c.Error, "\n"); said != "" && said != "Error" {
		text += "; its status says: " + said
	}
	return text
}
