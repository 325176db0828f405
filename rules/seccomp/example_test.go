package seccomp_test

import (
	"fmt"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

const profile = `{
	"defaultAction": "SCMP_ACT_ERRNO",
	"architectures": ["SCMP_ARCH_X86_64"],
	"syscalls": [
		{
			"names": ["close", "openat", "read", "write"],
			"action": "SCMP_ACT_ALLOW"
		},
		{
			"names": ["io_uring_setup"],
			"action": "SCMP_ACT_KILL_PROCESS"
		}
	]
}
`

// Ask a profile about a system call, and which entry decides.
func ExampleProfile_Decide() {
	p, _, err := seccomp.Parse(rules.NewFile("web.json", profile))
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := p.Decide(seccomp.Call{Arch: seccomp.X86_64, Syscall: 425, Loader: seccomp.Loader{Libseccomp: "2.5.4"}}) // io_uring_setup
	name := decision.Entry.Names[decision.Name]
	fmt.Println(decision.Syscall, decision.Action, "by", name.At)
	// Output: io_uring_setup kill_process by web.json:10:14
}

// Propose the edit that allows a system call.
func ExampleProfile_Allow() {
	p, _, err := seccomp.Parse(rules.NewFile("web.json", profile))
	if err != nil {
		fmt.Println(err)
		return
	}
	edits, err := p.Allow("io_uring_setup")
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := rules.Apply(edits)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(rules.Unified(changes))
	// Output:
	// --- a/web.json
	// +++ b/web.json
	// @@ -3,12 +3,8 @@
	//  	"architectures": ["SCMP_ARCH_X86_64"],
	//  	"syscalls": [
	//  		{
	// -			"names": ["close", "openat", "read", "write"],
	// +			"names": ["close", "io_uring_setup", "openat", "read", "write"],
	//  			"action": "SCMP_ACT_ALLOW"
	// -		},
	// -		{
	// -			"names": ["io_uring_setup"],
	// -			"action": "SCMP_ACT_KILL_PROCESS"
	//  		}
	//  	]
	//  }
}
