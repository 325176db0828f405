package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"time"
)

const auditLog = "/var/log/audit/audit.log"

var marks int

// mark writes a message of its own to the audit log, waits until auditd has written it,
// and returns the size of the log up to its line's end. The kernel sends records
// in the order in which they were made, so that all that were made before are in
// the log by then.
func mark() int {
	marks++
	text := fmt.Sprintf("lab mark %d.", marks)
	if err := exec.Command("auditctl", "-m", text).Run(); err != nil {
		panic(fmt.Sprintf("auditctl -m: %v", err))
	}
	for range 3000 { // a program that tries again without a pause leaves auditd behind
		log, err := os.ReadFile(auditLog)
		if err != nil {
			panic(err)
		}
		if i := bytes.Index(log, []byte(text)); i >= 0 {
			if end := bytes.IndexByte(log[i:], '\n'); end >= 0 {
				return i + end + 1
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	panic("auditd does not write")
}

// logged returns what the log has between two marks.
func logged(from, to int) []byte {
	log, err := os.ReadFile(auditLog)
	if err != nil {
		panic(err)
	}
	text := log[from:to]
	end := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') // without the line of the second mark
	return text[:end+1]
}
