package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/whydenied/whydenied/rules/disk"
)

// Write puts a change into its file: all of it or nothing, whatever happens
// meanwhile, with the mode, owner, access control list and attributes that the file
// had. What the file held is kept beside it as NAME.orig, a name that apparmor_parser
// passes over, with digits behind where that is taken; the name is returned. It
// refuses, and changes nothing, if the file does not hold what the change was made
// for, or if, as root, another user can have the path lead elsewhere.
func Write(c Change) (backup string, err error) {
	if c.File.Absent {
		err := disk.Create(c.File.Name, 0o644, 0o755, func(f *os.File) error {
			_, err := f.WriteString(c.New)
			return err
		})
		if errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("%w; move it away, or load it if it is the profile that was wanted", err)
		}
		return "", err
	}
	backup, err = disk.Replace(c.File.Name, c.File.Text, c.New)
	if errors.Is(err, disk.ErrChanged) {
		return "", fmt.Errorf("%s: it changed while it was analysed, and was left as it is; run whydenied again", c.File.Name)
	}
	return backup, err
}
