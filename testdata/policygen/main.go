// Command policygen writes a made-up collection of AppArmor profiles, as those of a
// desktop are: many profiles, which include some of many abstractions, whose rules have
// variables of several values. apparmor_parser accepts it.
//
//	policygen [-profiles N] DIR
//
// writes DIR/p0 and so on, DIR/abstractions and DIR/tunables. The same N gives the
// same files.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

const tunables = `@{bin}=/{,usr/}{,s}bin
@{lib}=/{,usr/}lib{,exec,32,64}
@{run}=/run /var/run
@{PROC}=/proc
@{sys}=/sys
@{pid}=[1-9]{,[0-9]{,[0-9]{,[0-9]{,[0-9]}}}}
@{HOMEDIRS}=/home
@{HOME}=@{HOMEDIRS}/*/ /root/
@{config}=@{HOME}/.config
@{share}=@{HOME}/.local/share
@{cache}=@{HOME}/.cache
`

// roots are where the paths of rules begin, and how often; files is what they end in.
var (
	roots = strings.Fields("@{lib} @{lib} @{bin} @{run} @{PROC}/@{pid} @{PROC}/sys @{sys}/devices/**/ @{HOME} @{config} @{config} @{share} @{cache} /etc /etc /usr/share /usr/share /var/lib /dev")
	files = []string{"", "/", "/*", "/**", "/{,**}", ".so*", ".conf", "/[0-9]*", "/{a,b,c}"}
	perms = []string{"r", "r", "r", "rw", "rwk", "mr", "w"}
)

const (
	abstractions = 120
	maxIncludes  = 12
)

// A writer makes up policy.
type writer struct{ *rand.Rand }

func pick[T any](w writer, list []T) T { return list[w.IntN(len(list))] }

func (w writer) word() string {
	return fmt.Sprintf("%c%c%d", 'a'+w.IntN(26), 'a'+w.IntN(26), w.IntN(10))
}

// rules writes n file rules; one in ten denies.
func (w writer) rules(out *strings.Builder, n int) {
	for range n {
		path := pick(w, roots) + "/" + w.word()
		if w.IntN(2) == 0 {
			path += "/" + w.word()
		}
		prefix := pick(w, []string{"", "", "", "owner "})
		if w.IntN(10) == 0 {
			prefix = "deny "
		}
		fmt.Fprintf(out, "  %s%s%s %s,\n", prefix, path, pick(w, files), pick(w, perms))
	}
}

// profile writes a profile. Programs that it executes are named, so that no two rules
// disagree on how.
func (w writer) profile(i int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "abi <abi/3.0>,\ninclude <tunables/global>\n@{exec_path}=@{bin}/p%d\nprofile p%[1]d @{exec_path} flags=(attach_disconnected) {\n", i)
	fmt.Fprintln(&out, "  include <abstractions/a0>")
	for range w.IntN(maxIncludes) {
		fmt.Fprintf(&out, "  include <abstractions/a%d>\n", w.IntN(abstractions))
	}
	fmt.Fprintf(&out, "  capability %s,\n  network %s stream,\n  signal (receive) peer=p%d,\n", pick(w, []string{"kill", "chown", "setuid"}), pick(w, []string{"inet", "inet6", "unix"}), i/2)
	fmt.Fprintln(&out, "  @{exec_path} mr,")
	for range w.IntN(8) {
		fmt.Fprintf(&out, "  @{bin}/t%d rix,\n", w.IntN(200))
	}
	w.rules(&out, 5+w.IntN(40))
	fmt.Fprintf(&out, "  include if exists <local/p%d>\n}\n", i)
	return out.String()
}

func main() {
	profiles := flag.Int("profiles", 2000, "how many")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	write := func(name, text string) {
		name = filepath.Join(flag.Arg(0), name)
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	w := writer{rand.New(rand.NewPCG(uint64(*profiles), 1))}
	write("tunables/global", tunables)
	write("abi/3.0", "")
	for i := range abstractions {
		var out strings.Builder
		if i > 10 && i%3 == 0 {
			fmt.Fprintf(&out, "  include <abstractions/a%d>\n", i/2)
		}
		w.rules(&out, 10+w.IntN(30))
		write(fmt.Sprintf("abstractions/a%d", i), out.String())
	}
	for i := range *profiles {
		write(fmt.Sprintf("p%d", i), w.profile(i))
	}
}
