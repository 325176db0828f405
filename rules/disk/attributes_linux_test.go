package disk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// acl is an access control list as the kernel has it (linux/posix_acl_xattr.h): it
// lets user 4242 read.
const acl = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + // the owner
	"\x02\x00\x04\x00\x92\x10\x00\x00" + // user 4242
	"\x04\x00\x04\x00\xff\xff\xff\xff" + // the group
	"\x10\x00\x04\x00\xff\xff\xff\xff" + // the mask
	"\x20\x00\x00\x00\xff\xff\xff\xff" // others

func TestReplaceKeepsAttributes(t *testing.T) {
	dir := t.TempDir()
	name := put(t, filepath.Join(dir, "web"), "old")
	attribute := func(name, key string) string {
		value := make([]byte, 1000)
		n, err := unix.Getxattr(name, key, value)
		if err != nil {
			return err.Error()
		}
		return string(value[:n])
	}
	if err := unix.Setxattr(name, "user.note", []byte("kept"), 0); err != nil {
		t.Skipf("no extended attributes here: %v", err)
	}
	_, err := Replace(name, "old", "new")
	require.NoError(t, err)
	assert.Equal(t, "kept", attribute(name, "user.note"))

	// What the file has of its directory alone is taken away.
	if err := unix.Setxattr(dir, "system.posix_acl_default", []byte(acl), 0); err != nil {
		t.Skipf("no access control lists here: %v", err)
	}
	_, err = Replace(name, "new", "newer")
	require.NoError(t, err)
	assert.Equal(t, unix.ENODATA.Error(), attribute(name, "system.posix_acl_access"))

	require.NoError(t, unix.Setxattr(name, "system.posix_acl_access", []byte(acl), 0))
	before, err := os.Stat(name)
	require.NoError(t, err)
	backup, err := Replace(name, "newer", "newest")
	require.NoError(t, err)
	for _, file := range []string{name, backup} {
		assert.Equal(t, acl, attribute(file, "system.posix_acl_access"))
		after, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, before.Mode(), after.Mode())
	}
}
