package host

import (
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/disk"
)

// compareLoaded puts into the profiles of a file what they grant and the loaded ones of
// their names do not, and the other way, where the hashes differ and the kernel shows
// what it loaded.
func (h Host) compareLoaded(stream []byte, loaded []Loaded, compiled []Compiled) {
	var file []*binary.Profile
	for i := range compiled {
		c := &compiled[i]
		for _, l := range loaded {
			if l.Name != c.Name || l.Raw == "" || l.Hash == "" || l.Hash == c.SHA1 || l.Hash == c.SHA256 {
				continue
			}
			if file == nil {
				file, _ = binary.Decode(stream)
			}
			raw, err := disk.ReadKernels(h.Root+l.Raw, binary.MaxSize)
			if err != nil {
				continue
			}
			inKernel, _ := binary.Decode(raw)
			if a, b := named(file, c.Name), named(inKernel, c.Name); a != nil && b != nil {
				c.compare(a, b)
			}
		}
	}
}

func named(profiles []*binary.Profile, name string) *binary.Profile {
	for _, p := range profiles {
		if p.AppArmor().FullName() == name || p.Name == name {
			return p
		}
	}
	return nil
}

func (c *Compiled) compare(file, loaded *binary.Profile) {
	list, full := binary.Compare(file, loaded)
	c.Same = full && len(list) == 0
	for _, d := range list {
		if d.First {
			c.Gains = append(c.Gains, d.String())
		} else {
			c.Lacks = append(c.Lacks, d.String())
		}
	}
}

// difference words what a file grants otherwise than the loaded profiles, "" if that
// is not known.
func difference(compiled []Compiled) string {
	var gains, lacks []string
	same := len(compiled) > 0
	for _, c := range compiled {
		gains, lacks, same = append(gains, c.Gains...), append(lacks, c.Lacks...), same && c.Same
	}
	var parts []string
	if len(gains) > 0 {
		parts = append(parts, "the file grants what the loaded one does not, such as "+few(gains))
	}
	if len(lacks) > 0 {
		parts = append(parts, "the loaded one grants what the file does not, such as "+few(lacks))
	}
	if same {
		parts = append(parts, "both grant the same; flags, exec transitions or what is logged differ")
	}
	return strings.Join(parts, "; ")
}
