package container

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// protect takes what a unit's settings do to paths: systemd.exec(5), and
// src/core/namespace.c of systemd 257 for which paths these are. Of a unit with a root of its own
// it takes nothing, as its paths are others.
func (l *Limits) protect(of map[string][]string) {
	last := func(key string) string { return lastOf(of, key) }
	if last("RootDirectory") != "" || last("RootImage") != "" {
		return
	}
	dynamic := isTrue(last("DynamicUser"))
	system, home := strings.ToLower(last("ProtectSystem")), strings.ToLower(last("ProtectHome"))
	if dynamic {
		system = "strict"
	}
	if dynamic && (home == "" || home == "no") {
		home = "read-only"
	}
	readOnly := func(by string, paths ...string) { l.protected(Protected{ReadOnly: true, By: by}, paths...) }
	hidden := func(by string, paths ...string) { l.protected(Protected{Hidden: true, By: by}, paths...) }
	switch by := "ProtectSystem=" + system; {
	case system == "strict":
		readOnly(by, "/")
		l.protected(Protected{}, "/dev", "/proc", "/sys")
	case system == "full":
		readOnly(by, "/usr", "/boot", "/efi", "/etc")
	case isTrue(system):
		readOnly(by, "/usr", "/boot", "/efi")
	}
	switch by := "ProtectHome=" + home; {
	case home == "read-only":
		readOnly(by, "/home", "/root", "/run/user")
	case isTrue(home):
		hidden(by, "/home", "/root", "/run/user")
	case home == "tmpfs":
		l.protected(Protected{}, "/home", "/root", "/run/user")
	}
	if isTrue(last("ProtectKernelTunables")) {
		readOnly("ProtectKernelTunables=yes", "/proc/sys", "/proc/sysrq-trigger", "/sys")
	}
	if isTrue(last("ProtectControlGroups")) {
		readOnly("ProtectControlGroups=yes", "/sys/fs/cgroup")
	}
	if isTrue(last("ProtectKernelModules")) {
		hidden("ProtectKernelModules=yes", "/usr/lib/modules")
	}
	if dynamic || isTrue(last("PrivateTmp")) {
		l.protected(Protected{}, "/tmp", "/var/tmp")
	}
	l.listed(of)
	slices.SortStableFunc(l.Protected, func(a, b Protected) int { return cmp.Compare(len(b.Path), len(a.Path)) })
}

// listed takes the settings that are lists of paths or names.
func (l *Limits) listed(of map[string][]string) {
	for _, list := range []struct {
		key, under string
		as         Protected
	}{
		{"ReadOnlyPaths", "", Protected{ReadOnly: true}}, {"InaccessiblePaths", "", Protected{Hidden: true}}, {"ReadWritePaths", "", Protected{}},
		{"BindPaths", "", Protected{}}, {"BindReadOnlyPaths", "", Protected{}}, {"TemporaryFileSystem", "", Protected{}},
		{"StateDirectory", "/var/lib/", Protected{}}, {"CacheDirectory", "/var/cache/", Protected{}}, {"LogsDirectory", "/var/log/", Protected{}},
		{"RuntimeDirectory", "/run/", Protected{}}, {"ConfigurationDirectory", "/etc/", Protected{}},
	} {
		for _, value := range of[list.key] {
			for word := range strings.FieldsSeq(value) {
				name := strings.TrimLeft(word, "-+")
				if from, to, ok := strings.Cut(name, ":"); ok {
					name = from
					if strings.HasPrefix(list.key, "Bind") {
						name, _, _ = strings.Cut(to, ":")
					}
				}
				if list.as != (Protected{}) {
					list.as.By = list.key + "=" + word
				}
				l.protected(list.as, list.under+name)
			}
		}
	}
}

// protected notes paths, up to the most that are kept. What hides a path goes before what makes
// it read-only, and that before what leaves it as it is (namespace.c, MountMode).
func (l *Limits) protected(p Protected, paths ...string) {
	for _, name := range paths {
		if !path.IsAbs(name) || len(l.Protected) >= maxProtected {
			continue
		}
		p.Path = path.Clean(name)
		i := slices.IndexFunc(l.Protected, func(o Protected) bool { return o.Path == p.Path })
		switch {
		case i < 0:
			l.Protected = append(l.Protected, p)
		case p.Hidden || p.ReadOnly && !l.Protected[i].Hidden:
			l.Protected[i] = p
		}
	}
}

// maxProtected bounds the paths of one unit.
const maxProtected = 2048
