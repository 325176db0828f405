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
		{"hardware-observe", regexp.MustCompile(`^/sys/(?:block|bus|class|devices|firmware)/|^/proc/(?:interrupts|devices|modules|bus/pci/)|^/run/udev/data/`)},
	}
})

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
