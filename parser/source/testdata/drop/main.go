// Command drop opens the audit netlink, gives up all capabilities but one, and
// says what its threads and a program that it starts have then. Its last lines
// are whether the netlink can be opened again, and that a denial of the program
// with the given name (comm) has come.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser/source"
)

func main() {
	live, err := source.Open("audit", source.Start{})
	check(err)
	var started sync.WaitGroup
	hold := make(chan struct{})
	thread := func() {
		runtime.LockOSThread()
		started.Done()
		<-hold
	}
	started.Add(8)
	for range 8 {
		go thread()
	}
	started.Wait()
	check(source.DropCapabilities(append(live.Needs, source.SysPtrace)...))
	started.Add(4)
	for range 4 {
		go thread()
	}
	started.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	check(err)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		check(err)
		fmt.Println("thread", strings.Join(capabilities(string(text)), " "))
	}
	out, err := exec.Command("cat", "/proc/self/status").Output()
	check(err)
	fmt.Println("child", strings.Join(capabilities(string(out)), " "))
	_, err = source.Open("audit", source.Start{})
	fmt.Println("again", err)
	for batch, err := range source.Follow(context.Background(), live) {
		check(err)
		for _, d := range batch.Denials {
			if d.Subject.Comm == os.Args[1] {
				fmt.Println("denial", d.Subject.Comm)
				return
			}
		}
	}
}

// capabilities returns the permitted and the effective set of a status file.
func capabilities(status string) (sets []string) {
	for line := range strings.Lines(status) {
		if name, set, _ := strings.Cut(line, ":"); name == "CapPrm" || name == "CapEff" {
			sets = append(sets, strings.TrimSpace(set))
		}
	}
	return sets
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
