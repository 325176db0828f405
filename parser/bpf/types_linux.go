package bpf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// KernelTypes returns the type information of the running kernel (BTF).
func KernelTypes() (*btf.Spec, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kernel's type information (/sys/kernel/btf/vmlinux): %w", err)
	}
	return spec, nil
}

// OffsetOf returns the place of a member of a structure, in bytes. The member can
// be one of a member, "pending.signal", or an element of an array, "regs.1".
func OffsetOf(spec *btf.Spec, structure, member string) (int, error) {
	var s *btf.Struct
	if err := spec.TypeByName(structure, &s); err != nil {
		return 0, fmt.Errorf("cannot find struct %s of the kernel: %w", structure, err)
	}
	var t btf.Type = s
	offset := 0
	for name := range strings.SplitSeq(member, ".") {
		at, inner, ok := memberOf(btf.UnderlyingType(t), name)
		if !ok {
			return 0, fmt.Errorf("struct %s of this kernel has no %s", structure, member)
		}
		t, offset = inner, offset+at
	}
	return offset, nil
}

// memberOf finds a member of a type, also in structures without a name, which
// randomised layouts have.
func memberOf(t btf.Type, name string) (offset int, member btf.Type, ok bool) {
	var members []btf.Member
	switch t := t.(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	case *btf.Array:
		i, err := strconv.ParseUint(name, 10, 16)
		size, sizeErr := btf.Sizeof(t.Type)
		return int(i) * size, t.Type, err == nil && sizeErr == nil && i < uint64(t.Nelems)
	}
	for _, m := range members {
		if m.Name == name {
			return int(m.Offset.Bytes()), m.Type, true
		}
		if m.Name != "" {
			continue
		}
		if at, inner, ok := memberOf(btf.UnderlyingType(m.Type), name); ok {
			return int(m.Offset.Bytes()) + at, inner, true
		}
	}
	return 0, nil, false
}
