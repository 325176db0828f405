package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser/source"
)

// read is input.read of logs, but takes the only one for what a program printed, or strace wrote, where it has no
// record and is that; pasted is what standard input has, if that is it. It returns the arguments that are logs.
func (f *explainFlags) read(cmd *cobra.Command, in *input, args []string, pasted string) (*explain.Session, []string, error) {
	in.takes = f.takes(cmd, in.logs)
	session, err := in.read(cmd)
	if err != nil {
		return nil, nil, err
	}
	if in.takes == nil {
		return session, args, nil
	}
	if !f.failed.files() && !in.own && session.Stats.Records == 0 && (saidAt("-", pasted) > 0 || isPasted(in.logs[0].Name)) {
		in.takes(in.logs[0].Name, "stderr")
	}
	if f.failed.files() { // which was not before
		in.logs, args = nil, nil
		cmd.SetIn(strings.NewReader(pasted))
	}
	return session, args, nil
}

// peek returns what standard input has, if that is named alone and is as short as what is pasted, and leaves
// it to be read.
func (f *explainFlags) peek(cmd *cobra.Command, args []string) string {
	if len(args) != 1 || args[0] != "-" || f.failed.files() {
		return ""
	}
	in := cmd.InOrStdin()
	head, err := io.ReadAll(io.LimitReader(in, maxPasted+1))
	cmd.SetIn(io.MultiReader(bytes.NewReader(head), in)) // whose error comes again
	if err != nil || len(head) > maxPasted {
		return ""
	}
	return string(head)
}

// takes returns what takes the one file that was named as a log by the flag that it is for, if that is what a program
// printed or what strace wrote: it is what was to be explained, and has nothing else in it.
func (f *explainFlags) takes(cmd *cobra.Command, logs []source.Input) func(name, flag string) bool {
	if len(logs) != 1 || logs[0].Found || f.failed.files() {
		return nil
	}
	return func(name, flag string) bool {
		to, what := &f.failed.stderr, "what a program printed"
		switch flag {
		case "strace":
			to, what = &f.failed.strace, "what strace wrote"
		case "stderr":
		default:
			return false
		}
		*to = name
		shown := escape.Name(name)
		if name == "-" {
			shown = "standard input"
		}
		say(cmd.ErrOrStderr(), "%s has no record of the kernel, and is read as %s, as by --%s", shown, what, flag)
		return true
	}
}
