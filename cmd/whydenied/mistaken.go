package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/shell"
)

// maxMistaken is the size of the largest file, in bytes, that is looked at for what it is if it is
// no log: those that people have are of some kilobytes.
const maxMistaken = 4 << 20

// mistaken says of a file that was named as a log, and in which nothing was found, what it is, and
// which flag of explain takes it. It is "" if that is not known, as of a log.
func mistaken(name string) (what, flag string) {
	if name == "-" {
		return "", ""
	}
	text, err := disk.Read(name, maxMistaken)
	if err != nil {
		return "", ""
	}
	isJSON := isJSON(text)
	if !isJSON && source.IsHeaded(text) {
		return "", ""
	}
	file := rules.NewFile(name, string(text))
	if _, err := container.Read(name, text); err == nil || container.ReadHosts(text) != nil {
		return "what is known of containers or hosts", "inventory"
	}
	if seccomp.IsProfile(file.Text) {
		if _, _, err := seccomp.Parse(file); err == nil {
			return "a seccomp profile", "seccomp"
		}
	}
	if isJSON {
		return "", ""
	}
	if what, flag = spoken(name, file.Text); flag != "" {
		return what, flag
	}
	policy, problems := library.New("", nil).UseProfile(file)
	isWrong := func(d rules.Diagnostic) bool { return d.Code == "syntax" }
	if len(policy.Profiles) > 0 && !slices.ContainsFunc(problems, isWrong) {
		return "an AppArmor profile", "profile"
	}
	return "", ""
}

// isJSON reports whether a text begins with an object or an array.
func isJSON(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n")
	var value json.RawMessage
	return len(text) > 0 && strings.IndexByte("{[", text[0]) >= 0 && json.NewDecoder(bytes.NewReader(text)).Decode(&value) == nil
}

// spoken tells a trace of system calls, and what a program printed, which may begin as a call does
// ("bind() to port 80 failed").
func spoken(name, text string) (what, flag string) {
	trace, failed, printed := &parser.Strace{File: name}, false, saidAt(name, text) > 0
	for line := range strings.Lines(text) {
		if _, ok := trace.Line(strings.TrimRight(line, "\r\n")); ok {
			failed = true
		}
	}
	switch {
	case failed, trace.Calls > 0 && !printed:
		return "a trace of system calls", "strace"
	case printed:
		return "what a program printed", "stderr"
	}
	return "", ""
}

// saidAt returns the first line of a text in which a program or an engine says that something was refused,
// from 1 on; of a text that is pasted, else the first that says of something that no layer refused it. It is 0 if
// no such line is known.
func saidAt(name, text string) (first int) {
	output := message.NewReader(name, seccomp.X86_64, func(a parser.Attempt) { first = cmp.Or(first, a.Origin.Line) })
	n, otherwise := 0, 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if output.Line(line); first > 0 {
			return first
		}
		if n++; otherwise == 0 && len(text) <= maxPasted && message.NoRefusal(line) != "" {
			otherwise = n
		}
	}
	output.End()
	return cmp.Or(first, otherwise)
}

// maxPasted is the size of the longest text, in bytes, that is taken for one that somebody pasted: in the log of a
// host others are refused all the time, or find nothing listening.
const maxPasted = 16 << 10

// inWords is saidAt for a log, of which nothing is known where it is longer than what is looked at so.
func inWords(name string) (line int) {
	if name == "-" {
		return 0
	}
	text, err := disk.Read(name, maxMistaken)
	if err != nil {
		return 0
	}
	return saidAt(name, string(text))
}

// isPasted reports whether a file is a short text in which a program says that something was refused.
func isPasted(name string) bool {
	if name == "-" {
		return false
	}
	info, err := os.Stat(name)
	return err == nil && info.Size() <= maxPasted && inWords(name) > 0
}

// typed fails for the words of a message that were typed in place of a file's name, and says how they
// are given.
func typed(arg string) error {
	if !strings.Contains(arg, " ") {
		return nil
	}
	if _, err := os.Lstat(arg); err == nil {
		return nil
	}
	_, flag := spoken("", arg)
	if flag == "" {
		return nil
	}
	return usagef("%s: no file but what a program printed: %s | whydenied explain --%s -", escape.Line(arg), escape.Line(shell.Command("echo", arg)), flag)
}

// notALog returns the error that says what a file is, and how it is named to a command: to explain, if the command
// has no such flag.
func notALog(cmd *cobra.Command, name, what, flag string) error {
	how := fmt.Sprintf("--%s %s", flag, shell.Quote(name))
	if cmd.Flags().Lookup(flag) == nil {
		how = "whydenied explain " + how
	}
	return fmt.Errorf("%s: no log but %s; name it by %s", escape.Name(name), what, escape.Line(how))
}
