package binary

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A place is where a profile stands in the policy that it was read from.
type place struct {
	start, end int // of its element
	mode       int // of the number that is its mode
	abi        uint64
}

// InMode returns policy that holds one profile of a policy alone, a child or hat without its
// parent, in the mode enforce, complain, kill, unconfined or prompt. All else of the profile is
// as it was. The kernel takes it in place of the profile that is loaded.
func InMode(policy []byte, profile, mode string) ([]byte, error) {
	number := slices.Index(modes, mode)
	if mode == "enforce" {
		number = 0
	}
	if number < 0 || mode == "" {
		return nil, fmt.Errorf("there is no mode %q", mode)
	}
	policy, err := decompress(policy)
	if err != nil {
		return nil, err
	}
	profiles, err := Decode(policy)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(profiles, func(p *Profile) bool { return p.Name == profile })
	if i < 0 {
		return nil, fmt.Errorf("the policy holds no profile %.200q", profile)
	}
	p := profiles[i]
	alone := binary.LittleEndian.AppendUint32(slices.Clone(versionElement), uint32(p.place.abi&^forceComplain))
	if p.Namespace != "" {
		alone = append(alone, namespaceElement...)
		alone = binary.LittleEndian.AppendUint16(alone, uint16(len(p.Namespace)+1))
		alone = append(append(alone, p.Namespace...), 0)
	}
	before := len(alone)
	alone = append(alone, policy[p.place.start:p.place.end]...)
	binary.LittleEndian.PutUint32(alone[before+p.place.mode-p.place.start:], uint32(number))
	return alone, nil
}

// What stands before a profile: the head of the version, and of the namespace if it has one.
var (
	versionElement   = []byte("\x04\x08\x00version\x00\x02")
	namespaceElement = []byte("\x04\x0a\x00namespace\x00\x05")
)
