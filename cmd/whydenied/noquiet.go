package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/whydenied/whydenied/explain/host"
)

// noquiet has AppArmor log what deny rules refuse quietly, until undo is called or
// this process ends, in whatever way; then it is as before. What it does is said to
// stderr, and so is why it cannot. Where there is no AppArmor, or all is logged
// already, it does nothing.
func noquiet(h host.Host, stderr io.Writer) (undo func()) {
	now, err := os.ReadFile(filepath.Join(h.Root, host.Noquiet.Target()))
	if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(now)) == "all" {
		return func() {}
	}
	changes, release, err := hold(h, host.StateFile, []host.Lever{host.Noquiet}, 0)
	if err != nil {
		complain(stderr, fmt.Errorf("what deny rules of AppArmor refuse stays silent: %w", err))
		return func() {}
	}
	for _, c := range changes {
		say(stderr, "AppArmor logs what deny rules refuse: %s is %s until this ends, and was %s", c.Target(), c.Value, c.Previous)
	}
	return func() {
		if err := release(); err != nil {
			complain(stderr, err)
		}
	}
}
