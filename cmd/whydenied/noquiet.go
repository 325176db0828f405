package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain/report"
)

// apparmorAudit is what AppArmor logs (audit_mode_names of
// security/apparmor/audit.c, Linux 6.18): normal, quiet_denied, quiet, noquiet or
// all. A write needs CAP_MAC_ADMIN, at the end too.
var apparmorAudit = "/sys/module/apparmor/parameters/audit"

// noquiet has AppArmor log what deny rules refuse quietly, until ctx ends or undo is
// called; then it is as before. What it does is said to stderr, and so is why it
// cannot. Where there is no AppArmor, or all is logged already, it does nothing.
func noquiet(ctx context.Context, stderr io.Writer) (undo func()) {
	before, err := os.ReadFile(apparmorAudit)
	was := strings.TrimSpace(string(before))
	if errors.Is(err, fs.ErrNotExist) || was == "noquiet" || was == "all" {
		return func() {}
	}
	if err == nil {
		err = os.WriteFile(apparmorAudit, []byte("noquiet"), 0)
	}
	if err != nil {
		complain(stderr, fmt.Errorf("what deny rules of AppArmor refuse stays silent: %w; run as root", err))
		return func() {}
	}
	fmt.Fprintf(stderr, "whydenied: AppArmor logs what deny rules refuse: %s is noquiet until this ends, and was %s\n", apparmorAudit, report.Escape(was))
	restore := sync.OnceFunc(func() {
		if err := os.WriteFile(apparmorAudit, []byte(was), 0); err != nil {
			complain(stderr, fmt.Errorf("%s stays noquiet: %w; put it back with: echo -n %s >%[1]s", apparmorAudit, err, was))
		}
	})
	stop := context.AfterFunc(ctx, restore) // at once: main does not wait for long
	return func() {
		stop()
		restore()
	}
}
