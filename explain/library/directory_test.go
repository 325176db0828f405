package library

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

func TestMayDefine(t *testing.T) {
	for text, want := range map[string]bool{
		"profile web {\n":                       true,
		"profile web flags=(complain)\n{\n":     true,
		"/usr/bin/web {\n":                      true,
		"@{bin}/web flags=(audit){ /a r, }":     true,
		"# about web\nprofile db {\n}\n":        false,
		"profile db {\n  /{usr/,}bin/web r,\n}": false,
		"  /web/** r,\n/x/web {\n":              true,
		"web":                                   false,
		"":                                      false,
	} {
		assert.Equal(t, want, mayDefine(headersOf(text), "web"), text)
	}
}

// Profiles lie one level below the directory, too, and in files that another file there
// includes: that is then the policy that is loaded.
func TestBelowDirectory(t *testing.T) {
	texts := map[string]string{
		"/etc/apparmor.d/lxc-containers":             "include <tunables/global>\ninclude <lxc>\n",
		"/etc/apparmor.d/tunables/global":            "@{PROC}=/proc/\n",
		"/etc/apparmor.d/lxc/lxc-default":            "profile lxc-container-default {\n  @{PROC}/cmdline r,\n}\n",
		"/etc/apparmor.d/libvirt/TEMPLATE.qemu":      "profile LIBVIRT_TEMPLATE {\n}\n",
		"/etc/apparmor.d/libvirt/libvirt-1c01":       "profile libvirt-1c01 {\n  include if exists <libvirt/libvirt-1c01.files>\n}\n",
		"/etc/apparmor.d/libvirt/libvirt-1c01.files": "  \"/a\" r,\n",
		"/etc/apparmor.d/web.d/part":                 "  profile worker {\n  /w r,\n  }\n",
		"/etc/apparmor.d/web":                        "profile web {\n  include <web.d/part>\n}\n",
		"/etc/apparmor.d/local/x":                    "profile local {\n}\n",
		"/etc/apparmor.d/disable/off":                "profile off {\n}\n",
	}
	for _, onDisk := range []bool{false, true} {
		l := In(rules.NewTree("/", texts), SystemProfiles, nil)
		dir := SystemProfiles
		if onDisk {
			dir = t.TempDir()
			for name, text := range texts {
				name = filepath.Join(dir, strings.TrimPrefix(name, SystemProfiles))
				require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
				require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
			}
			l = New(dir, nil)
		}
		for name, file := range map[string]string{
			"lxc-container-default": "lxc-containers", "libvirt-1c01": "libvirt/libvirt-1c01", "web//worker": "web", "local": "", "off": "", "global": "",
		} {
			p := l.Profile(container.Container{}, name)
			if file == "" {
				assert.Nil(t, p, name)
				continue
			}
			if assert.NotNil(t, p, name) {
				assert.Equal(t, filepath.Join(dir, file), p.Policy.Files[0].Name)
				assert.Empty(t, l.Problems(p.Policy), name)
			}
		}
		assert.True(t, l.Profile(container.Container{}, "libvirt-1c01").Grants(apparmor.FileRequest{Path: "/a", Perms: apparmor.Read}))
		assert.True(t, l.Profile(container.Container{}, "lxc-container-default").Grants(apparmor.FileRequest{Path: "/proc/cmdline", Perms: apparmor.Read}))
	}
}
