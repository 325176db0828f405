//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Another user than root, who has no name here.
const writeStranger = 4242

// writeAttackLog has a denial that the profile of writeAttackProfile gives a fix for.
const writeAttackLog = `type=AVC msg=audit(1795427171.844:13): apparmor="DENIED" operation="open" profile="web" name="/x" pid=159 comm="nginx" requested_mask="r" denied_mask="r" fsuid=0 ouid=0
`

// writeAttackProfile is a profile of a size, most of it comments, so that writing takes a while.
func writeAttackProfile(size int) string {
	line := "# " + strings.Repeat("-", 97) + "\n"
	return "abi <abi/3.0>,\n" + strings.Repeat(line, size/len(line)) + "profile web {\n  /a r,\n}\n"
}

// A writeAttack is a directory with a log, and whydenied to write policy with.
type writeAttack struct {
	dir, program string
}

func newWriteAttack(t *testing.T) writeAttack {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	t.Setenv("SUDO_UID", "")
	a := writeAttack{dir: t.TempDir(), program: filepath.Join(t.TempDir(), "whydenied")}
	goBuild(t, a.program, "../../cmd/whydenied")
	require.NoError(t, os.Chmod(a.dir, 0o755))
	for dir := a.dir; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755)) // so that the stranger gets there
	}
	require.NoError(t, os.WriteFile(a.log(), []byte(writeAttackLog), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(a.dir, "aa", "abi"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "aa", "abi", "3.0"), nil, 0o644))
	return a
}

func (a writeAttack) log() string { return filepath.Join(a.dir, "log") }

// patch is a command that writes the fix to a profile. It ends, whatever happens.
func (a writeAttack) patch(t *testing.T, profile string) (*exec.Cmd, *bytes.Buffer) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, a.program, "patch", a.log(), "--profile", profile, "--profile-dir", filepath.Join(a.dir, "aa"), "--write")
	out := &bytes.Buffer{}
	cmd.Stderr = out
	return cmd, out
}

// often is how many times an attack is made: a fifth of them with -short.
func often(times int) int {
	if testing.Short() {
		return times / 5
	}
	return times
}

// Root patches a profile in a directory of another user, who exchanges it all the
// time for a link to a directory of root's: nothing outside is ever changed or given
// away, whether root got there by sudo or not.
func TestAttackWriteRace(t *testing.T) {
	tries := often(200)
	a := newWriteAttack(t)
	victims := filepath.Join(a.dir, "root")
	require.NoError(t, os.Mkdir(victims, 0o755))
	old := writeAttackProfile(1 << 20)
	victim := filepath.Join(victims, "prof")
	require.NoError(t, os.WriteFile(victim, []byte(old), 0o644)) // which a path that leads there would change
	before, err := os.Stat(victim)
	require.NoError(t, err)
	theirs := filepath.Join(a.dir, "stranger")
	require.NoError(t, os.Mkdir(theirs, 0o755))
	require.NoError(t, os.Chown(theirs, writeStranger, writeStranger))
	dir, link := filepath.Join(theirs, "dir"), filepath.Join(theirs, "link")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Symlink(victims, link))
	stop := make(chan struct{})
	var racing sync.WaitGroup
	exchanges := 0
	racing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			exchanges++
			time.Sleep(200 * time.Microsecond)
		}
	})
	written := 0
	for i := range tries {
		real := dir
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			real = link
		}
		_ = os.WriteFile(filepath.Join(real, "prof"), []byte(old), 0o644) // perhaps the victim's, which has the same
		cmd, _ := a.patch(t, filepath.Join(dir, "prof"))
		if i%2 == 1 {
			cmd.Env = append(os.Environ(), fmt.Sprint("SUDO_UID=", writeStranger))
		}
		_ = cmd.Run()
		if text, err := os.ReadFile(filepath.Join(real, "prof")); err == nil && string(text) != old {
			written++
		}
		entries, err := os.ReadDir(victims)
		require.NoError(t, err)
		require.Len(t, entries, 1, "try %d put something beside it", i)
		text, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, old, string(text), "try %d changed it", i)
		after, err := os.Stat(victim)
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after), "try %d replaced it", i)
		require.Equal(t, before.Sys().(*syscall.Stat_t).Uid, after.Sys().(*syscall.Stat_t).Uid, "try %d gave it away", i)
	}
	close(stop)
	racing.Wait()
	t.Logf("%d tries, %d exchanges meanwhile, %d written in the directory itself", tries, exchanges, written)
}

// The same for what run writes, and for a link in place of the file.
func TestAttackWriteLinks(t *testing.T) {
	a := newWriteAttack(t)
	victim := filepath.Join(a.dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("root's"), 0o600))
	theirs := filepath.Join(a.dir, "stranger")
	require.NoError(t, os.Mkdir(theirs, 0o755))
	require.NoError(t, os.Symlink(victim, filepath.Join(theirs, "baseline")))
	require.NoError(t, os.Symlink(a.dir, filepath.Join(theirs, "patches")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(theirs, "fifo"), 0o666))
	require.NoError(t, os.Chown(theirs, writeStranger, writeStranger))
	require.NoError(t, os.Lchown(filepath.Join(theirs, "baseline"), writeStranger, writeStranger))
	for _, sudo := range []string{"", fmt.Sprint(writeStranger)} {
		for _, args := range [][]string{
			{"--write-baseline", filepath.Join(theirs, "baseline")},
			{"--write-baseline", filepath.Join(theirs, "fifo")},
			{"--write-baseline", filepath.Join(theirs, "patches", "new")},
		} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			cmd := exec.CommandContext(ctx, a.program, append(append([]string{"run", "--profile-dir", filepath.Join(a.dir, "aa")}, args...), "--", "true")...)
			cmd.Env = append(os.Environ(), "SUDO_UID="+sudo)
			out, err := cmd.CombinedOutput()
			require.NoError(t, ctx.Err())
			cancel()
			assert.Error(t, err)
			assert.Regexp(t, "another user can change it|not a regular file|permission denied", string(out), "%q %s", sudo, args)
		}
	}
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "root's", string(text))
	assert.NoFileExists(t, filepath.Join(a.dir, "new"))
}

// runFor is a run by sudo for the stranger in a directory, which has a finding and a
// patch to write, and has given up root's right to write anywhere by then.
func (a writeAttack) runFor(t *testing.T, dir string, args ...string) *exec.Cmd {
	live := filepath.Join(t.TempDir(), "live")
	require.NoError(t, os.WriteFile(live, nil, 0o644))
	args = append([]string{"run", "--all", "--source", live, "--profile", filepath.Join(a.dir, "prof"), "--profile-dir", filepath.Join(a.dir, "aa"), "--fail-on", "never"}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, a.program, append(args, "--", "sh", "-c", `cat "$0" >>"$1"; sleep 0.2`, a.log(), live)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprint("SUDO_UID=", writeStranger), fmt.Sprint("SUDO_GID=", writeStranger))
	return cmd
}

// Who asks sudo for run has what it writes in their own directory, whether or not the
// program is linked with cgo.
func TestAttackWriteRun(t *testing.T) {
	a := newWriteAttack(t)
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "prof"), []byte(writeAttackProfile(0)), 0o644))
	theirs := filepath.Join(a.dir, "stranger")
	require.NoError(t, os.Mkdir(theirs, 0o700))
	require.NoError(t, os.Chown(theirs, writeStranger, writeStranger))
	withCgo := a
	withCgo.program += "-cgo"
	build := exec.Command("go", "build", "-o", withCgo.program, "../../cmd/whydenied")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, a := range []writeAttack{a, withCgo, a} { // the second replaces what the first wrote
		out, err := a.runFor(t, theirs, "--patch-dir", "./patches", "--write-baseline", "known").CombinedOutput()
		require.NoError(t, err, "%s", out)
		files := 0
		require.NoError(t, filepath.WalkDir(theirs, func(name string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := d.Info()
			require.NoError(t, err)
			s := info.Sys().(*syscall.Stat_t)
			assert.Equal(t, []uint32{writeStranger, writeStranger}, []uint32{s.Uid, s.Gid}, name)
			if d.Type().IsRegular() {
				files++
				text, err := os.ReadFile(name)
				require.NoError(t, err)
				assert.NotEmpty(t, text, name)
			}
			return nil
		}))
		assert.Equal(t, 3, files, "the baseline, the patch and the profile")
	}
}

// While it runs, the stranger exchanges the directory for a link to one that is not
// theirs: nothing is written there.
func TestAttackWriteRunRace(t *testing.T) {
	tries := often(40)
	a := newWriteAttack(t)
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "prof"), []byte(writeAttackProfile(0)), 0o644))
	victims := filepath.Join(a.dir, "root")
	require.NoError(t, os.Mkdir(victims, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(victims, "known"), []byte("root's"), 0o644))
	theirs := filepath.Join(a.dir, "stranger")
	require.NoError(t, os.Mkdir(theirs, 0o755))
	require.NoError(t, os.Chown(theirs, writeStranger, writeStranger))
	dir, link := filepath.Join(theirs, "dir"), filepath.Join(theirs, "link")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Chown(dir, writeStranger, writeStranger))
	require.NoError(t, os.Symlink(victims, link))
	require.NoError(t, os.Lchown(link, writeStranger, writeStranger))
	exchanges := 0
	exchange := func() {
		exchanges++
		_ = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
	}
	written := 0
	for i := range tries {
		cmd := a.runFor(t, theirs, "--patch-dir", "dir/patches", "--write-baseline", "dir/known")
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for running := true; running; {
			select {
			case err := <-ended:
				running = false
				if err == nil {
					written++
				}
			case <-time.After(time.Duration(300+i) * time.Microsecond):
				exchange()
				if i%2 == 1 {
					exchange() // back at once, so that it is mostly itself when it is looked at
				}
			}
		}
		entries, err := os.ReadDir(victims)
		require.NoError(t, err)
		require.Len(t, entries, 1, "try %d put something there", i)
		text, err := os.ReadFile(filepath.Join(victims, "known"))
		require.NoError(t, err)
		require.Equal(t, "root's", string(text), "try %d", i)
	}
	t.Logf("%d tries, %d exchanges meanwhile, %d written in the directory itself", tries, exchanges, written)
}

// Of two that patch the same file, one does, or the second what the first left.
func TestAttackWriteTwice(t *testing.T) {
	a := newWriteAttack(t)
	profile := filepath.Join(a.dir, "prof")
	old := writeAttackProfile(100 << 10)
	both := 0
	for round := range often(60) {
		require.NoError(t, os.WriteFile(profile, []byte(old), 0o644))
		var done [2]bool
		var pair sync.WaitGroup
		for i := range done {
			pair.Go(func() {
				cmd, said := a.patch(t, profile)
				_ = cmd.Run()
				done[i] = strings.Contains(said.String(), "changed "+profile)
				if !done[i] && said.Len() > 0 { // nothing, if the other's rule was there already
					assert.Contains(t, said.String(), "it changed while it was analysed")
				}
			})
		}
		pair.Wait()
		text, err := os.ReadFile(profile)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(text), "/x r,"), "round %d", round)
		if done[0] && done[1] {
			both++
		}
	}
	assert.Zero(t, both, "both say that they changed the same text")
	assertComplete(t, a.dir, "prof", old)
}

// assertComplete holds that a file and each of its backups is whole, and that nothing
// else is beside them but what the attack put there.
func assertComplete(t *testing.T, dir, name, old string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), name) && !strings.HasPrefix(e.Name(), ".whydenied") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		patched := strings.HasSuffix(string(text), "}\n") && strings.Count(string(text), "/x r,") == 1 && len(text) > len(old)
		switch {
		case strings.HasPrefix(e.Name(), name):
			require.True(t, string(text) == old || patched, "%s has %d bytes", e.Name(), len(text))
		case e.Name() != ".whydenied.lock":
			require.NotContains(t, e.Name(), ".orig")
		}
	}
}

// A full disk leaves the file, no backup, and nothing else; the next writes.
func TestAttackWriteFull(t *testing.T) {
	a := newWriteAttack(t)
	disk := filepath.Join(a.dir, "disk")
	require.NoError(t, os.Mkdir(disk, 0o755))
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1536k,mode=755"))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	profile, old := filepath.Join(disk, "prof"), writeAttackProfile(1<<20)
	require.NoError(t, os.WriteFile(profile, []byte(old), 0o644))
	for range 3 {
		cmd, said := a.patch(t, profile)
		assert.Error(t, cmd.Run())
		assert.Contains(t, said.String(), "no space left on device")
		entries, err := os.ReadDir(disk)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		text, err := os.ReadFile(profile)
		require.NoError(t, err)
		require.Equal(t, old, string(text))
	}
	state := filepath.Join(disk, "undo.json")
	require.NoError(t, os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 400<<10), 0o600))
	_ = os.WriteFile(state, make([]byte, 1<<20), 0o600) // as much as fits
	require.NoError(t, os.Truncate(state, 0))
	out, err := exec.Command(a.program, "doctor", "--undo", "--state", state).CombinedOutput()
	assert.NoError(t, err, "%s", out)
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=8m,mode=755"))
	cmd, said := a.patch(t, profile)
	_ = cmd.Run()
	assert.Contains(t, said.String(), "changed "+profile)
}

// Killed at whatever moment, it leaves the old text or the new, backups that are whole,
// and nothing that keeps the next from writing.
func TestAttackWriteKilled(t *testing.T) {
	kills := often(200)
	a := newWriteAttack(t)
	old := writeAttackProfile(1 << 20)
	var longest time.Duration
	changed := 0
	for i := range kills {
		dir := filepath.Join(a.dir, "killed")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		profile := filepath.Join(dir, "prof")
		require.NoError(t, os.WriteFile(profile, []byte(old), 0o644))
		cmd, _ := a.patch(t, profile)
		began := time.Now()
		if i%10 == 0 { // how long it takes by itself
			_ = cmd.Run()
			longest = max(longest, time.Since(began))
		} else {
			require.NoError(t, cmd.Start())
			time.Sleep(longest * time.Duration(i*61%97) / 97)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		assertComplete(t, dir, "prof", old)
		if text, err := os.ReadFile(profile); assert.NoError(t, err) && string(text) != old {
			changed++
		}
		if i%20 == 19 {
			require.NoError(t, os.WriteFile(profile, []byte(old), 0o644))
			cmd, said := a.patch(t, profile)
			_ = cmd.Run()
			assert.Contains(t, said.String(), "changed "+profile)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				assert.False(t, strings.HasPrefix(e.Name(), ".whydenied"), "%s is left", e.Name())
			}
			require.NoError(t, os.RemoveAll(dir))
		}
	}
	t.Logf("%d of %d had changed it", changed, kills)
}
