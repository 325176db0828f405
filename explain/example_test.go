package explain_test

import (
	"fmt"
	"log"
	"os"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/parser"
)

// A program that explains a saved log by a profile.
func Example() {
	const dir = "../testdata/corpus/linux-6.1-auditd/file-write-have-r/"
	text, err := os.ReadFile(dir + "before.log")
	if err != nil {
		log.Fatal(err)
	}
	findings, _, err := explain.Log(parser.Block{Body: text}, explain.Options{Profiles: []string{dir + "profile"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Println(f.Denial.AppArmor.Name, f.Cause)
		fmt.Println(f.Rules[0].At, f.Rules[0].Note)
		fmt.Println(f.Fixes[0].Message)
	}
	// Output:
	// /srv/lab/w missing-permission
	// ../testdata/corpus/linux-6.1-auditd/file-write-have-r/profile:4:12 grants r; the process asked for w (denied_mask="w")
	// add w to this rule
}
