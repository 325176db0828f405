package fix

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// TestMountLike holds that beside rules for mounts below other directories one for those below
// the directory of a refused mount is offered, but none for all of the file system.
func TestMountLike(t *testing.T) {
	const rule = "  mount fstype=fuse.* options=(nosuid,nodev) -> /media/**/,\n"
	for point, want := range map[string]string{
		"/data/cache/repository-3/src/": "mount fstype=fuse.* options=(nosuid,nodev) -> /data/cache/**/,",
		"/var/lib/app/mnt/":             "mount fstype=fuse.* options=(nosuid,nodev) -> /var/lib/app/**/,",
		"/srv/disk1/":                   "",
		"/data/":                        "",
	} {
		req := apparmor.MountRequest{Op: "mount", Source: "host:/srv", Target: point, Fstype: "fuse.sshfs", Flags: []string{"rw", "nosuid", "nodev"}}
		_, r := remedies(t, rule, req)
		require.NotEmpty(t, r.Fixes, point)
		below := ""
		for _, f := range r.Fixes {
			if strings.Contains(f.Message, "for all mount points below") {
				below = f.Rule
				assert.Equal(t, rules.High, f.Risk, point)
				assert.NotEmpty(t, f.Grants, point)
			}
		}
		assert.Equal(t, want, below, point)
	}
}
