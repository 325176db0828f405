package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/shell"
)

// An elsewhere counts what was refused while a command ran to processes that it did not start, and in
// containers that ran before. What a daemon starts in these, as docker exec has it, is among them.
type elsewhere struct {
	records    int
	containers []string // the first of them, as --container takes them
}

// maxElsewhere bounds the containers that are named.
const maxElsewhere = 3

func (e *elsewhere) add(c container.Container) {
	e.records++
	name := c.Name
	if name == "" && c.ID != "" {
		name = container.ShortID(c.ID)
	}
	if c.Pod != "" {
		name = c.Pod
	}
	if name != "" && len(e.containers) < maxElsewhere && !slices.Contains(e.containers, name) {
		e.containers = append(e.containers, name)
	}
}

// notice says how much that was, and which options have it explained; nil where there was none.
func (e *elsewhere) notice() *report.Notice {
	if e.records == 0 {
		return nil
	}
	text := "1 record is left out that was"
	if e.records > 1 {
		text = fmt.Sprintf("%d records are left out that were", e.records)
	}
	text += " of processes which the command did not start itself, such as what docker exec has a daemon start"
	option := "--all explains"
	if len(e.containers) > 0 {
		text += " (in " + strings.Join(e.containers, ", ") + ")"
		option = shell.Command("--container", e.containers[0]) + " explains what is refused there, --all"
	}
	return &report.Notice{Kind: "elsewhere", Count: e.records, Text: text + "; " + option + " all"}
}
