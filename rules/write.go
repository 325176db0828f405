package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts a change into its file: all of it or nothing, whatever happens
// meanwhile, with the mode and owner that the file had. What the file held is
// kept beside it as NAME.orig, a name that apparmor_parser passes over, with
// digits behind where that is taken; the name is returned. It refuses, and
// changes nothing, if the file does not hold what the change was made for.
func Write(c Change) (backup string, err error) {
	name, err := filepath.EvalSymlinks(c.File.Name)
	switch {
	case c.File.Absent && errors.Is(err, fs.ErrNotExist):
		return "", create(c)
	case c.File.Absent && err == nil:
		return "", fmt.Errorf("%s: it is there already; move it away, or load it if it is the profile that was wanted", c.File.Name)
	case err != nil:
		return "", err
	}
	have, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if string(have) != c.File.Text {
		return "", fmt.Errorf("%s: it changed while it was analysed, and was left as it is; run whydenied again", c.File.Name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if backup, err = keep(name, have, info); err != nil {
		return "", fmt.Errorf("%s: cannot keep what it held: %w", c.File.Name, err)
	}
	return backup, ReplaceFile(name, func(f *os.File) error {
		_, err := f.WriteString(c.New)
		return errors.Join(err, f.Chmod(info.Mode().Perm()), sameOwner(f, info))
	})
}

// create writes a file that must not be there, and its directory.
func create(c Change) error {
	if err := os.MkdirAll(filepath.Dir(c.File.Name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(c.File.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(c.New)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name()) // half a profile is none
	}
	return err
}

// keep writes a backup under the first free name.
func keep(name string, text []byte, info fs.FileInfo) (string, error) {
	for n := range 1000 {
		backup := name + ".orig"
		if n > 0 {
			backup = fmt.Sprintf("%s.%d.orig", name, n)
		}
		f, err := os.OpenFile(backup, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(text)
		return backup, errors.Join(err, f.Close())
	}
	return "", fmt.Errorf("a thousand backups are there already; remove some of %s*.orig", name)
}

// ReplaceFile puts what write writes in place of a file by renaming, so that a
// reader finds all of the old content or all of the new. The file has mode 0600
// unless write changes it. After an error, what was there is there still.
func ReplaceFile(name string, write func(*os.File) error) error {
	// A name that begins with a dot is passed over by apparmor_parser.
	f, err := os.CreateTemp(filepath.Dir(name), ".whydenied-*")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
