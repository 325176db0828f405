//go:build unix

package rules

import (
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives a file the owner and group of another.
func sameOwner(f *os.File, info fs.FileInfo) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok1 := info.Sys().(*syscall.Stat_t)
	own, ok2 := have.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || want.Uid == own.Uid && want.Gid == own.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
