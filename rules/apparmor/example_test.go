package apparmor_test

import (
	"fmt"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

const policy = `profile web {
  /srv/www/** r,
  /srv/www/cache/** rw,
  deny /srv/www/cache/keys/** w,
}
`

// Ask a profile about an access, and which rules decide.
func ExampleProfile_Decide() {
	loader := &apparmor.Loader{}
	loaded, diagnostics := loader.Load(rules.NewFile("web", policy))
	if len(diagnostics) > 0 {
		fmt.Println(diagnostics)
		return
	}
	profile := loaded.Profile("web")
	decision := profile.Decide(apparmor.FileRequest{Path: "/srv/www/cache/keys/a", Perms: apparmor.Read | apparmor.Write})
	fmt.Println("granted:", decision.Granted, "refused:", decision.Refused, "logged:", !decision.Quiet)
	for _, rule := range decision.Deny {
		fmt.Printf("%s: %s\n", rule.Location(), rule.Location().Text())
	}
	// Output:
	// granted: r refused: w logged: false
	// web:4:3: deny /srv/www/cache/keys/** w,
}

// Propose the rule that grants an access, and see what it gives away.
func ExampleProfile_Insert() {
	loader := &apparmor.Loader{}
	before, _ := loader.Load(rules.NewFile("web", policy))
	profile := before.Profile("web")
	request := apparmor.SignalRequest{Perms: apparmor.Send, Signal: "term", Peer: "worker"}

	rule := apparmor.RuleFor(request, apparmor.Transition{})
	changes, err := rules.Apply([]rules.Edit{profile.Insert(rule)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(rules.Unified(changes))

	after, _ := loader.Load(rules.NewFile("web", changes[0].New))
	gains, complete := apparmor.Gains(profile, after.Profile("web"), request)
	fmt.Println("gained beyond the request:", len(gains), "all known:", complete)
	// Output:
	// --- a/web
	// +++ b/web
	// @@ -2,4 +2,5 @@
	//    /srv/www/** r,
	//    /srv/www/cache/** rw,
	//    deny /srv/www/cache/keys/** w,
	// +  signal (send) set=(term) peer=worker,
	//  }
	// gained beyond the request: 0 all known: true
}
