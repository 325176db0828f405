package access_test

import (
	"fmt"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A record of the kernel becomes a request that policy decides on.
func ExampleRequest() {
	denial, err := parser.Parse(`type=AVC msg=audit(1795427204.252:97): apparmor="DENIED" operation="mknod" profile="web" name="/srv/x" requested_mask="c" denied_mask="c" fsuid=33 ouid=33`)
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := access.Request(&denial)
	fmt.Printf("%+v %v\n", req, err)
	// Output: {Path:/srv/x Perms:w Owner:true Target:} <nil>
}

// An access in words is asked of a profile.
func ExampleDecide() {
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("web", "profile web {\n  /etc/nginx/** r,\n}\n"))
	denial, err := access.Parse("open /etc/shadow r", false)
	if err != nil {
		fmt.Println(err)
		return
	}
	verdict := access.Decide(denial, func(string) *apparmor.Profile { return policy.Profile("web") })
	fmt.Println(verdict.Profile.Name, "granted:", verdict.Decision.Granted, "unmatched:", verdict.Decision.Unmatched)
	// Output: web granted:  unmatched: r
}

// A line of a batch may have the words of records or those of policy.
func ExampleRead() {
	for _, line := range []string{
		`{"class":"capability","capname":"CAP_CHOWN"}`,
		`{"apparmor":"DENIED","operation":"capable","profile":"web","capability":0,"capname":"chown"}`,
	} {
		asked, err := access.Read([]byte(line), access.Known{})
		if err != nil {
			fmt.Println(err)
			continue
		}
		req, _ := access.Request(asked.Denial)
		fmt.Printf("%T %+v\n", req, req)
	}
	// Output:
	// apparmor.CapabilityRequest {Name:chown}
	// apparmor.CapabilityRequest {Name:chown}
}

// A system call that strace saw fail becomes the words of the record that AppArmor would
// write.
func ExampleAttempted() {
	attempt := parser.Attempt{Syscall: "openat", Args: []string{"AT_FDCWD", `"/srv/a"`, "O_WRONLY|O_CREAT"}, Errno: "EACCES"}
	for _, words := range access.Attempted(&attempt) {
		for _, field := range words {
			fmt.Printf("%s=%q ", field.Key, field.Value)
		}
	}
	// Output: operation="open" name="/srv/a" requested_mask="wc" denied_mask="wc"
}
