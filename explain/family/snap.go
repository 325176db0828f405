package family

import (
	"regexp"
	"strings"
	"sync"
)

// A plug is of an interface of snapd, whose name it has.
type plug struct {
	name string
	path *regexp.Regexp
}

// interfaces are those of snapd by the names of files that their plugs allow, the more
// special first: interfaces/builtin of snapd, August 2026.
var interfaces = sync.OnceValue(func() []plug {
	return []plug{
		{"mount-observe", regexp.MustCompile(`^/proc/(?:[0-9]+/(?:task/[0-9]+/)?)?(?:mounts|mountstats|mountinfo)$|^/proc/swaps$|^/etc/(?:mtab|fstab)$|^/run/mount/utab$`)},
		{"removable-media", regexp.MustCompile(`^/(?:run/)?media/|^/mnt/`)},
		{"log-observe", regexp.MustCompile(`^/var/log/|^/run/log/journal/|^/dev/kmsg$`)},
		{"", ofSnaps}, // the data of snaps, which the interface home leaves out
		{"home", regexp.MustCompile(`^/home/[^/]+/[^.]`)},
		{"personal-files", regexp.MustCompile(`^/(?:home/[^/]+|root)/\.`)},
		{"camera", regexp.MustCompile(`^/dev/video[0-9]|^/sys/class/video4linux/`)},
		{"raw-usb", regexp.MustCompile(`^/dev/bus/usb/[0-9]|^/dev/usb/lp[0-9]`)},
		{"serial-port", regexp.MustCompile(`^/dev/tty(?:USB|ACM|S|AMA)[0-9]`)},
		{"kvm", regexp.MustCompile(`^/dev/kvm$`)},
		{"opengl", regexp.MustCompile(`^/dev/(?:dri/|nvidia)`)},
		{"audio-playback", regexp.MustCompile(`^(?:/var)?/run/(?:user/[0-9]+/)?pulse/`)},
		{"docker", regexp.MustCompile(`^(?:/var)?/run/docker\.sock$`)},
		{"network-observe", regexp.MustCompile(`^/proc/(?:[0-9]+/|sys/)net/`)},
		{"system-observe", regexp.MustCompile(`^/proc/(?:cgroups|buddyinfo|locks|mdstat|schedstat|slabinfo|softirqs|stat|vmstat|zoneinfo|diskstats|kallsyms|partitions|pressure/[a-z]+)$`)},
		{"browser-support", regexp.MustCompile(`^/(?:dev|run)/shm/\.?(?:org\.chromium\.|com\.google\.Chrome\.)`)},
		{"audio-playback", regexp.MustCompile(`^/(?:dev|run)/shm/pulse-shm-`)},
		{"", regexp.MustCompile(`^/(?:dev|run)/shm/(?:sem\.)?snap\.`)}, // which each snap has for itself
		{"shared-memory", regexp.MustCompile(`^/(?:dev|run)/shm/.`)},
		{"hardware-observe", regexp.MustCompile(`^/sys/(?:block|bus|class|devices|firmware)/|^/proc/(?:interrupts|devices|modules|bus/pci/)|^/run/udev/data/`)},
	}
})

// ofSnaps finds the data of snaps: of users, with the name of the snap and the revision.
var ofSnaps = regexp.MustCompile(`^/(?:home/[^/]+|root)/snap(?:/([^/]+)(?:/(x?[0-9]+)(?:/|$))?|$)`)

// ofSystem is the same of what belongs to no user.
var ofSystem = regexp.MustCompile(`^/var/snap/([^/]+)/(x?[0-9]+)(?:/|$)`)

// Revision returns the revision of a snap in whose data a file lies, or "": an app may read the
// data of all revisions of its snap, and write those of the one alone that its profile is of.
func Revision(snap, path string) string {
	for _, place := range []*regexp.Regexp{ofSnaps, ofSystem} {
		if m := place.FindStringSubmatch(path); m != nil && m[1] == snap {
			return m[2]
		}
	}
	return ""
}

// IsOwnHome reports whether a file is of the data that a snap keeps for a user: the profiles of its apps
// have them for the owner alone (interfaces/apparmor/template.go of snapd).
func IsOwnHome(snap, path string) bool {
	m := ofSnaps.FindStringSubmatch(path)
	return m != nil && snap != "" && m[1] == snap
}

// families are the same of families of sockets: the interface network has what resolvers of
// names need, too.
var families = map[string]string{"inet": "network", "inet6": "network", "netlink": "network"}

// buses are the same of names on a message bus.
var buses = map[string]string{
	"org.bluez": "bluez", "org.freedesktop.NetworkManager": "network-manager-observe", "org.freedesktop.UPower": "upower-observe", "org.freedesktop.UDisks2": "udisks2",
	"org.freedesktop.secrets": "password-manager-service", "org.freedesktop.hostname1": "system-observe", "org.freedesktop.Avahi": "avahi-observe",
	"org.freedesktop.ModemManager1": "modem-manager", "org.freedesktop.ScreenSaver": "screen-inhibit-control", "org.gnome.SessionManager": "screen-inhibit-control",
	"org.freedesktop.login1": "login-session-observe", "org.freedesktop.Notifications": "desktop", "ca.desrt.dconf": "gsettings",
}

// BusInterface is FileInterface of a name on a message bus, such as org.bluez.
func BusInterface(name string) string { return buses[name] }

// SocketInterface is FileInterface of a family and a type of sockets.
func SocketInterface(family, kind string) string {
	if family == "netlink" && kind != "raw" || family != "netlink" && kind != "stream" && kind != "dgram" {
		return ""
	}
	return families[family]
}

// capabilities are the same of capabilities.
var capabilities = map[string]string{"sys_resource": "process-control", "sys_nice": "process-control", "kill": "process-control", "sys_rawio": "hardware-observe"}

// FileInterface returns the interface of snapd whose plug allows a file, or "".
func FileInterface(path string) string {
	for _, i := range interfaces() {
		if i.path.MatchString(path) {
			return i.name
		}
	}
	return ""
}

// CapabilityInterface is FileInterface of a capability.
func CapabilityInterface(name string) string { return capabilities[name] }

// Snap returns the name of the snap that a profile is of, or "".
func Snap(profile string) string {
	if name, ok := strings.CutPrefix(profile, "snap."); ok {
		name, _, _ = strings.Cut(name, ".")
		return name
	}
	return ""
}
