package bpf

import (
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
)

func TestMemberOf(t *testing.T) {
	word := &btf.Int{Name: "unsigned long", Size: 8}
	inner := &btf.Struct{Name: "user_pt_regs", Size: 24, Members: []btf.Member{
		{Name: "regs", Type: &btf.Array{Index: word, Type: word, Nelems: 2}}, {Name: "pc", Type: word, Offset: 128},
	}}
	outer := &btf.Struct{Name: "pt_regs", Size: 40, Members: []btf.Member{
		{Name: "first", Type: word},
		{Type: &btf.Union{Size: 24, Members: []btf.Member{
			{Name: "user_regs", Type: inner}, {Type: &btf.Struct{Size: 24, Members: inner.Members}},
		}}, Offset: 64},
		{Name: "last", Type: &btf.Typedef{Name: "u64", Type: word}, Offset: 256},
	}}
	for _, test := range []struct {
		path   []string
		offset int
		ok     bool
	}{
		{[]string{"first"}, 0, true},
		{[]string{"regs", "1"}, 16, true},
		{[]string{"regs", "2"}, 0, false},
		{[]string{"regs", "x"}, 0, false},
		{[]string{"regs", "-1"}, 0, false},
		{[]string{"user_regs", "pc"}, 24, true},
		{[]string{"pc"}, 24, true},
		{[]string{"last"}, 32, true},
		{[]string{"last", "low"}, 0, false},
		{[]string{"none"}, 0, false},
	} {
		var at btf.Type = outer
		offset, ok := 0, true
		for _, name := range test.path {
			var n int
			if n, at, ok = memberOf(btf.UnderlyingType(at), name); !ok {
				break
			}
			offset += n
		}
		assert.Equal(t, test.ok, ok, test.path)
		if ok {
			assert.Equal(t, test.offset, offset, test.path)
		}
	}
}
