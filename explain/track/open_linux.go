package track

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openRegular opens a regular file that anybody can have made, and tells its owner.
// It waits for no FIFO, starts no device, and follows no link in the file's place;
// what it is is asked of what was opened.
func openRegular(name string) (f *os.File, owner int, err error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: name, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, 0, fmt.Errorf("%s is no regular file", name)
	}
	return os.NewFile(uintptr(fd), name), int(stat.Uid), nil
}

// readNames returns the names in a folder that anybody can have made, that many at
// most, or all if that is negative.
func readNames(dir string, most int) []string {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	names, _ := f.Readdirnames(most)
	return names
}
