//go:build !linux

package track

import (
	"errors"
	"time"
)

func canTrack() error {
	return errors.New("processes and containers can be watched on Linux only; name saved metadata with --inventory")
}

func openBPF() (feed, error)                               { return nil, canTrack() }
func openConnector() (feed, error)                         { return nil, canTrack() }
func waitFor(int, time.Duration)                           {}
func listProcesses() []int                                 { return nil }
func readProcess(int) (reading, bool)                      { return reading{}, false }
func readCommand(int) (args []string, cwd string, ok bool) { return nil, "", false }
func sinceBoot(time.Time) time.Duration                    { return 0 }
