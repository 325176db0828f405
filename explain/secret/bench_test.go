package secret

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/whydenied/whydenied/testdata/secrets"
)

// The worst that was thought of: twice as much takes twice as long.
func BenchmarkText(b *testing.B) {
	ordinary, err := os.ReadFile("testdata/ordinary.txt")
	if err != nil {
		b.Fatal(err)
	}
	corpus := ""
	for _, s := range secrets.All() {
		corpus += s.Text + "\n"
	}
	for name, piece := range map[string]string{
		"ordinary": string(ordinary), "corpus": corpus, "assignments": "sig=", "quotes": `key="\"`, "urls": "://a:b/", "urls at": "://@", "colons": "ab:ab:",
		"begin": "-----BEGIN ", "values": "name value:", "marks": "ghp_sk-eyJ", "flags": "mysql -p ", "words": "aB1", "slashes": "aB1/", "one quote": "'a ", "braces": "{\"",
	} {
		for _, times := range []int{1, 2, 4} {
			text := strings.Repeat(piece, (times<<20)/len(piece))
			b.Run(fmt.Sprintf("%s/%dMiB", name, times), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					Text(text, nil)
				}
			})
		}
	}
}
