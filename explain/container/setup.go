package container

// A Setup is what the config of a product says of how it makes the AppArmor profile of what
// it runs. All strings are as hostile as those of a Container.
type Setup struct {
	File    string // of the config, as it was named
	Option  string // of rules that it adds to the profile: raw.apparmor; "" if it has none
	Raw     string // those rules, one or several lines; "" if there are none
	Nesting bool   // the profile is that of containers that run containers
	Machine bool   // of Incus or LXD: it is a virtual machine, and the profile is of QEMU
	Project string // of Incus or LXD; "" if that is not told

	Plugs []Plug  // of an app of a snap; nil if it is none
	Given []Given // what a virtual machine is given of the host's files
}

// A Plug is one of an app of a snap.
type Plug struct{ Name, Interface string }

// A Given is a file of the host that a virtual machine is given, with all below it.
type Given struct {
	Path     string
	ReadOnly bool
}
