// Command bombs writes policy, inventories and bundles that are made to exhaust
// whoever reads them, and prints the arguments of whydenied that read them, one a
// line. The same flags give the same bytes on every machine.
//
//	go run ./testdata/bombs -n 100000 rules DIR
//	go run ./testdata/bombs -list      prints each bomb with the n that is tried
//
// What they took before there were limits, and take now, is in docs/performance.md.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A bomb is one kind of hostile input.
type bomb struct {
	name  string
	n     int // its size, of which the files' grow linearly
	write func(dir folder, n int) (args []string)
}

var bombs = slices.Concat(apparmorBombs, seccompBombs, bundleBombs)

func main() {
	n := flag.Int("n", 0, "size; 0 is the bomb's own")
	list := flag.Bool("list", false, "print the bombs")
	flag.Parse()
	if *list {
		for _, b := range bombs {
			fmt.Println(b.name, b.n)
		}
		return
	}
	i := slices.IndexFunc(bombs, func(b bomb) bool { return b.name == flag.Arg(0) })
	if flag.NArg() != 2 || i < 0 {
		fmt.Fprintln(os.Stderr, "usage: bombs [-n N] NAME DIR")
		os.Exit(2)
	}
	if *n == 0 {
		*n = bombs[i].n
	}
	for _, arg := range bombs[i].write(folder(flag.Arg(1)), *n) {
		fmt.Println(arg)
	}
}

// A folder is where a bomb's files are written.
type folder string

// file writes a file and returns its name.
func (f folder) file(name string, write func(w *bufio.Writer)) string {
	name = filepath.Join(string(f), name)
	check(os.MkdirAll(filepath.Dir(name), 0o755))
	file, err := os.Create(name)
	check(err)
	w := bufio.NewWriterSize(file, 1<<20)
	write(w)
	check(w.Flush())
	check(file.Close())
	return name
}

// text is file for a text.
func (f folder) text(name, text string) string {
	return f.file(name, func(w *bufio.Writer) { fmt.Fprint(w, text) })
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bombs:", err)
		os.Exit(1)
	}
}

// denial is a log with one AppArmor record.
func (f folder) denial(profile string) string {
	return f.text("log", `type=AVC msg=audit(1760000000.000:1): apparmor="DENIED" operation="open" class="file" profile="`+profile+
		`" name="/etc/passwd" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n")
}

// syscall is a log with one SECCOMP record, of socket, which many bombs name, and
// the arguments.
func (f folder) syscall() string {
	const event = " msg=audit(1760000000.000:1): "
	return f.text("log", "type=SECCOMP"+event+`auid=1000 uid=0 gid=0 ses=1 subj=unconfined pid=7 comm="a" exe="/bin/a" sig=0 arch=c000003e syscall=41 compat=0 ip=0x1 code=0x50000`+"\n"+
		"type=SYSCALL"+event+`arch=c000003e syscall=41 success=no exit=-1 a0=ff0000 a1=3 a2=0 a3=0 items=0 ppid=1 pid=7 comm="a" exe="/bin/a"`+"\n")
}
