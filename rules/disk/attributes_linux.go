package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sameAttributes gives a file the extended attributes of another, among them its
// access control list, and takes away those that it got from its directory.
func sameAttributes(f, other *os.File) error {
	want, err := attributes(other)
	if err != nil {
		return err
	}
	have, err := attributes(f)
	if err != nil {
		return err
	}
	for name := range have {
		if _, ok := want[name]; !ok && !strings.HasPrefix(name, "security.") {
			if err := unix.Fremovexattr(int(f.Fd()), name); err != nil {
				return fmt.Errorf("%s: cannot take the attribute %q away: %w", other.Name(), name, err)
			}
		}
	}
	for name, value := range want {
		if own, ok := have[name]; ok && bytes.Equal(own, value) || slices.Contains(signatures, name) {
			continue
		}
		if err := unix.Fsetxattr(int(f.Fd()), name, value, 0); err != nil {
			return fmt.Errorf("%s: cannot keep the attribute %q: %w", other.Name(), name, err)
		}
	}
	return nil
}

// signatures are of what a file held, and never of what it will.
var signatures = []string{"security.ima", "security.evm"}

// attributes returns the extended attributes of a file; none where there are not any.
func attributes(f *os.File) (map[string][]byte, error) {
	fd := int(f.Fd())
	list := make([]byte, 64<<10) // XATTR_LIST_MAX of linux/limits.h, as of a value
	n, err := unix.Flistxattr(fd, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot read its attributes: %w", f.Name(), err)
	}
	all := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(fd, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: cannot read the attribute %q: %w", f.Name(), name, err)
		}
		all[name] = value[:n]
	}
	return all, nil
}
