package track

import (
	"os"

	"golang.org/x/sys/unix"
)

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
