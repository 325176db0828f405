package patch_test

import (
	"fmt"
	"log"
	"os"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/parser"
)

// The findings of a log become one proved change of the policy.
func ExampleMake() {
	const dir = "../../testdata/corpus/linux-6.1-auditd/file-write-have-r/"
	text, err := os.ReadFile(dir + "before.log")
	if err != nil {
		log.Fatal(err)
	}
	explainer, _, err := explain.Options{Profiles: []string{dir + "profile"}}.Explainer()
	if err != nil {
		log.Fatal(err)
	}
	session := explain.NewSession(nil, explain.Filter{})
	denials, _ := parser.Scan(nil, parser.Block{Body: text})
	for _, d := range denials {
		session.Add(d)
	}
	made := patch.Make(explainer, explainer.DiagnoseAll(session.Findings()))
	fmt.Println("remedied:", len(made.Remedies), "left:", len(made.Left))
	for _, r := range made.Remedies {
		fmt.Printf("%s: %s\n%q\n", r.Fix.Message, r.Rules[0].Text(), r.Fix.Proof)
	}
	// Output:
	// remedied: 1 left: 0
	// add w to this rule: /srv/lab/w rw,
	// ["the changed policy parses" "the access is now allowed" "nothing is lost" "each edit is needed"]
}
