package explain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What an answer leaves of the arguments that a record does not have is said where it is little.
func TestByAnswer(t *testing.T) {
	const amd64, errno = 0xc000003e, 0x50000
	entry := func(call, args string) string {
		return fmt.Sprintf(`{"names":["%s"],"action":"SCMP_ACT_ALLOW","args":[%s]}`, call, args)
	}
	arg := func(index, value int, op string) string {
		return fmt.Sprintf(`{"index":%d,"value":%d,"op":"SCMP_CMP_%s"}`, index, value, op)
	}
	for name, test := range map[string]struct {
		syscall int
		entries string
		only    string
	}{
		"all but one":          {41, entry("socket", arg(0, 40, "NE")), "it was socket(AF_VSOCK)"},
		"all but two":          {41, entry("socket", arg(0, 38, "LT")) + "," + entry("socket", arg(0, 39, "EQ")) + "," + entry("socket", arg(0, 40, "GT")), "it was socket(AF_ALG) or socket(AF_VSOCK)"},
		"from a value on":      {41, entry("socket", arg(0, 2, "GE")), "it was socket(AF_UNSPEC) or socket(AF_UNIX)"},
		"an argument unnamed":  {83, entry("mkdir", arg(1, 7, "NE")), "it was mkdir with a1 == 7"},
		"more than a few":      {41, entry("socket", arg(0, 9, "GE")), ""},
		"all above":            {41, entry("socket", arg(0, 40, "LE")), ""},
		"the largest of all":   {41, entry("socket", `{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_NE"}`), "it was socket(0xffffffffffffffff)"},
		"some values alone":    {135, entry("personality", arg(0, 0, "EQ")) + "," + entry("personality", arg(0, 8, "EQ")), ""},
		"two arguments":        {41, entry("socket", arg(0, 40, "NE")) + "," + entry("socket", arg(1, 3, "NE")), ""},
		"two in one condition": {41, entry("socket", arg(0, 40, "NE")+","+arg(1, 3, "NE")), ""},
		"bits":                 {56, entry("clone", `{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			profile := `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` + test.entries + `]}`
			why := seccompFinding(t, "lab", amd64, test.syscall, errno, profile, nil).Why
			assert.Equal(t, test.only != "", strings.Contains(why, "by the kernel's answer"), why)
			assert.True(t, strings.HasSuffix(why, test.only), why)
		})
	}
}
