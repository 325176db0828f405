//go:build !linux

package track

import (
	"errors"
	"fmt"
	"os"
	"time"
)

func canTrack() error {
	return errors.New("processes and containers can be watched on Linux only; name saved metadata with --inventory")
}

func openBPF() (feed, error)                                           { return nil, canTrack() }
func openConnector() (feed, error)                                     { return nil, canTrack() }
func waitFor(int, time.Duration)                                       {}
func listProcesses() []int                                             { return nil }
func readProcess(int) (reading, bool)                                  { return reading{}, false }
func readCommand(string, command) (args []string, cwd string, ok bool) { return nil, "", false }
func sinceBoot(time.Time) time.Duration                                { return 0 }

// openRegular opens a regular file, of no known owner.
func openRegular(name string) (*os.File, int, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	return f, 0, err
}

// readNames returns some of the names in a folder.
func readNames(dir string, most int) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(most)
	return names
}
