package patch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/fix"
)

// rounds patches a profile until a program passes, which gives the records of its accesses in
// a run and ends at the first that is refused, and returns how many patches that took, and the profile.
func rounds(t *testing.T, breadth fix.Breadth, program func(run int) []string) (int, string) {
	t.Helper()
	profile := "profile p {\n}\n"
	for run := range 40 {
		refused := false
		for _, record := range program(run) {
			if p := patchedTo(t, breadth, record, profile, nil); len(p.Changes) > 0 {
				require.Empty(t, p.Left)
				profile, refused = p.Changes[0].New, true
				break
			}
		}
		if !refused {
			return run, profile
		}
	}
	t.Fatalf("not in 40 rounds:\n%s", profile)
	return 0, ""
}

// copies is a program that copies the files of a folder, as git init does.
func copies(int) (all []string) {
	for i := range 6 {
		name := fmt.Sprintf("%chook.sample", 'a'+i)
		all = append(all, opened(1, "/usr/share/t/hooks/"+name, "r", 0), opened(1, "/srv/repo/hooks/"+name, "wc", 0))
	}
	return all
}

// locks is a program that makes semaphores, as Python's multiprocessing does.
func locks(run int) (all []string) {
	for i := range 4 {
		chance := fmt.Sprintf("%cq%dx%cz", 'b'+run%20, i, 'c'+i)
		temporary, name := "/dev/shm/sem."+chance, "/dev/shm/sem.mp-"+chance+"k4"
		all = append(all, opened(1, temporary, "wrc", 0),
			strings.NewReplacer(`"open"`, `"link"`, "\n", ` target="`+temporary+"\"\n").Replace(opened(1, name, "l", 0)),
			opened(1, name, "wd", 0))
	}
	return all
}

// rotates is a program that keeps six older logs, each of which gets the next number.
func rotates(int) (all []string) {
	moved := func(from, to string) {
		src := strings.Replace(opened(1, from, "wrd", 0), `"open"`, `"rename_src"`, 1)
		all = append(all, src, strings.Replace(opened(1, to, "wc", 0), `"open"`, `"rename_dest"`, 1))
	}
	for turn := range 6 {
		all = append(all, opened(1, "/srv/app.log", "wc", 0))
		for n := turn; n > 0; n-- {
			moved(fmt.Sprintf("/srv/app.log.%d", n), fmt.Sprintf("/srv/app.log.%d", n+1))
		}
		moved("/srv/app.log", "/srv/app.log.1")
	}
	return all
}

// stores is a program with an SQLite database, which locks what is no journal.
func stores(int) (all []string) {
	for _, name := range []string{"/srv/app.db", "/srv/app.db-journal", "/srv/app.db-wal", "/srv/app.db-shm"} {
		made := strings.Replace(opened(1, name, "c", 0), `"open"`, `"mknod"`, 1)
		all = append(all, made+"type=SYSCALL msg=audit(1795427169.844:1): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7f0 a2=a0042 a3=1a4 items=1 ppid=1 pid=4242 comm=\"app\" exe=\"/usr/bin/app\"\n",
			opened(1, name, "wr", 0))
		if !strings.HasSuffix(name, "l") {
			all = append(all, strings.Replace(opened(1, name, "k", 0), `"open"`, `"file_lock"`, 1))
		}
	}
	return all
}

// serves is PHP with a session, a new one in each run.
func serves(run int) []string {
	session := fmt.Sprintf("/var/lib/php/sessions/sess_o8sd48%dcf58ktond1jh7hf7kt6", run)
	return []string{opened(1, session, "wrc", 0), strings.Replace(opened(1, session, "k", 0), `"open"`, `"file_lock"`, 1)}
}

// parts makes files of which each has the next number.
func parts(name string) func(int) []string {
	return func(int) (all []string) {
		for n := range 12 {
			all = append(all, opened(1, fmt.Sprintf(name, n), "wc", 0))
		}
		return all
	}
}

// A program takes as many rounds as it has accesses of different kinds, and no rule is
// left that a later run has no use for.
func TestRounds(t *testing.T) {
	for _, c := range []struct {
		name    string
		breadth fix.Breadth
		program func(int) []string
		rounds  int
		rules   int
	}{
		{"files that are copied", fix.OfNames, copies, 12, 12},
		{"files that are copied, by folder", fix.OfFolder, copies, 2, 2},
		{"files that are copied, by tree", fix.OfTree, copies, 2, 2},
		{"logs that are rotated", fix.OfNames, rotates, 6, 3},
		{"logs that are rotated, each by its name", fix.Exact, rotates, 13, 7},
		{"semaphores", fix.OfNames, locks, 3, 3},
		{"parts with a number", fix.OfNames, parts("/srv/out/part-%d.bin"), 6, 6},
		{"parts with a number of five digits", fix.OfNames, parts("/srv/out/part-%05d"), 5, 5},
		{"parts, each by its name", fix.Exact, parts("/srv/out/part-%d.bin"), 12, 12},
		{"devices with a number", fix.OfNames, parts("/dev/loop%d"), 12, 12},
		{"a database", fix.OfNames, stores, 4, 4},
		{"a session", fix.OfNames, serves, 1, 1},
		{"semaphores, by folder", fix.OfFolder, locks, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, profile := rounds(t, c.breadth, c.program)
			assert.Equal(t, c.rounds, n, profile)
			assert.Equal(t, c.rules, strings.Count(profile, ",\n"), profile)
		})
	}
}
