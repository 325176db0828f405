package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// programDirs are where programs of the system are, besides the PATH: not all are on
// every user's.
var programDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Program finds a program of the system on the PATH and where such programs are. As
// root, one that another user can change is passed over; if there is no other, the
// error says so. It wraps fs.ErrNotExist if there is none at all.
func Program(name string) (string, error) {
	failed := fmt.Errorf("%s is not installed: %w", name, fs.ErrNotExist)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), programDirs...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		err := runnable(file)
		if err == nil {
			return file, nil
		}
		if errors.As(err, new(*Changeable)) && errors.Is(failed, fs.ErrNotExist) {
			failed = err
		}
	}
	return "", failed
}

// runnable returns nil for a program that may be run.
func runnable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fs.ErrPermission
	case os.Geteuid() != 0:
		return nil
	}
	p, err := locate(file, 0, true, []int{0})
	if err != nil {
		return about(file, notRun, err)
	}
	defer p.close()
	f, err := p.open(os.O_RDONLY, 0)
	if f, err = checked(f, err, file); err != nil {
		return err
	}
	defer f.Close()
	return about(file, notRun, p.checkFile(f, true, []int{0}))
}
