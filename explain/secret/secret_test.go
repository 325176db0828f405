package secret

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/testdata/secrets"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"--password=hunter2":                          "--password=*******",
		"mysql --password hunter2 db":                 "mysql --password ******* db",
		"DB_PASSWORD=hünter2 run":                     "DB_PASSWORD=******* run",
		`curl -H 'Authorization: Bearer abc.def' x`:   `curl -H 'Authorization: Bearer *******' x`,
		"postgres://app:hunter2@db/app":               "postgres://app:*******@db/app"[:15] + "********db/app",
		"AKIAIOSFODNN7EXAMPLE":                        strings.Repeat("*", 20),
		"api_key: 12345":                              "api_key: *****",
		`sh -c "curl --user me:hunter2 x"`:            `sh -c "curl --user me:******* x"`,
		`pid=1 info="curl -u me:hunter2 x" comm="x"`:  `pid=1 info="curl -u me:******* x" comm="x"`,
		`info="sh -c 'mysql -phunter2 x'" comm="x"`:   `info="sh -c 'mysql -p******* x'" comm="x"`,
		`info="mysql -phunter2 x`:                     `info="mysql -p******* x`,
		`echo $(mysql -phunter2)`:                     `echo $(mysql -p********`,
		"password := hunter2 x":                       "password := ******* x",
		"password:=hunter2":                           "password:=*******",
		"PASSWORD ?= hunter2":                         "PASSWORD ?= *******",
		`if password == "hunter2" {`:                  `if password == "*******" {`,
		`if password === 'hunter2'`:                   `if password === '*******'`,
		`password => 'hunter2'`:                       `password => '*******'`,
		"nginx -g daemon off;":                        "nginx -g daemon off;",
		"/run/secrets/kubernetes.io/serviceaccount":   "/run/secrets/kubernetes.io/serviceaccount",
		"sha256:c4719afa76fa448b5eca99e6736885846501": "sha256:c4719afa76fa448b5eca99e6736885846501",
		"creating '/run/secrets': Permission denied":  "creating '/run/secrets': Permission denied", // an error, and no secret
		"app: password: operation not permitted":      "app: password: operation not permitted",
		"reading /var/lib/.erlang.cookie: eacces":     "reading /var/lib/.erlang.cookie: eacces",
		"app: password: eaccesseaccess":               "app: password: **************",
		"app: password: permission-denied":            "app: password: *****************",
	} {
		got := Text(text, nil)
		assert.Equal(t, want, got)
		assert.Equal(t, utf8.RuneCountInString(text), utf8.RuneCountInString(got), "places stay")
	}
	assert.Equal(t, []string{"--db-password", "*******", "--password", "--verbose"}, Args([]string{"--db-password", "hunter2", "--password", "--verbose"}, nil))
}

func TestRecords(t *testing.T) {
	title := func(args ...string) string { return hex.EncodeToString([]byte(strings.Join(args, "\x00"))) }
	for _, test := range []struct {
		typ        parser.Type
		text, want string
	}{
		{parser.PROCTITLE, "proctitle=" + title("app", "--token", "s3cr3t"), "proctitle=" + strings.ToUpper(title("app", "--token", "******"))},
		{parser.PROCTITLE, `proctitle="nginx"`, `proctitle="nginx"`},
		{parser.EXECVE, `argc=3 a0="app" a1="--password" a2="hunter2"`, `argc=3 a0="app" a1="--password" a2=2A2A2A2A2A2A2A`},
		{parser.EXECVE, `argc=2 a0="sh" a1=` + title("password=x y"), `argc=2 a0="sh" a1=` + strings.ToUpper(title("password=***"))},
		{parser.SYSCALL, `a0=7f a1=70617373 exe="/usr/bin/passwd"`, `a0=7f a1=70617373 exe="/usr/bin/passwd"`},
		{parser.USERAVC, `a0=7f password=x`, `a0=7f password=*`},
	} {
		r := parser.Record{Type: test.typ, Text: test.text}
		list := []parser.Record{r}
		Records(list, nil)
		assert.Equal(t, test.want, list[0].Text)
	}
}

func TestJSON(t *testing.T) {
	text := `{"ociVersion": "1.0.2", "process": {"env": ["PATH=/bin", "ÄÖ=\u00fc\n\"x", "BARE"], "args": ["app", "--token", "s3cr3t", "a\"password=x\""]},
  "annotations": {"db.password": "hunter2", "plain": "x", "url": "http://u:pw@h"}, "n": [1, 2.5e3, true, null, {}],
  "HostConfig": {"SecurityOpt": ["seccomp={\"token\": \"x\"}"]},
  "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}`
	want := `{"ociVersion": "1.0.2", "process": {"env": ["PATH=****", "ÄÖ=***********", "****"], "args": ["app", "--token", "******", "a\"password=*\""]},
  "annotations": {"db.password": "*******", "plain": "x", "url": "http://u:***h"}, "n": [1, 2.5e3, true, null, {}],
  "HostConfig": {"SecurityOpt": ["seccomp={\"token\": \"x\"}"]},
  "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}`
	found := Kinds{}
	got, err := JSON([]byte(text), found)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
	assert.Equal(t, "3 environment, 2 password, 1 argument, 1 url-password", found.String())
	found = Kinds{}
	again, err := JSON(got, found)
	require.NoError(t, err)
	assert.Equal(t, want, string(again))
	assert.Empty(t, found)
	_, err = JSON([]byte("kind: Pod"), nil)
	assert.Error(t, err)
}

// Kubernetes and the CRI have variables as objects, and kubectl apply keeps all of
// what it was given in an annotation.
func TestJSONEnvironment(t *testing.T) {
	for text, want := range map[string]string{
		`{"env":[{"name":"DB","value":"hunter2"},{"name":"X","valueFrom":{"fieldRef":{"fieldPath":"a"}}}]}`: `{"env":[{"name":"DB","value":"*******"},{"name":"X","valueFrom":{"fieldRef":{"fieldPath":"a"}}}]}`,
		`{"config":{"envs":[{"key":"DB","value":"hunter2"}]}}`:                                              `{"config":{"envs":[{"key":"DB","value":"*******"}]}}`,
		`{"kubectl.kubernetes.io/last-applied-configuration":"{\"env\":1}"}`:                                `{"kubectl.kubernetes.io/last-applied-configuration":"***********"}`,
		`{"other":[{"name":"DB","value":"x"}]}`:                                                             `{"other":[{"name":"DB","value":"x"}]}`,
	} {
		got, err := JSON([]byte(text), nil)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// What was JSON is JSON with as many characters, and no value of the environment.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"env":["A=b"],"x":{"token":"\u0026\\"}}`))
	f.Add([]byte(`[["--password","x"],"a=b"] "y" 3`))
	f.Fuzz(func(t *testing.T, text []byte) {
		clean, err := JSON(text, nil)
		if err != nil {
			return
		}
		if json.Valid(text) != json.Valid(clean) {
			t.Fatalf("%q became %q", text, clean)
		}
		if utf8.Valid(text) && utf8.RuneCount(text) != utf8.RuneCount(clean) {
			t.Fatalf("%q became %q: places moved", text, clean)
		}
	})
}

// Whatever the text: its characters stay as many, what is shown has no more secrets,
// and policy becomes no other policy.
func FuzzText(f *testing.F) {
	f.Add("mysql -p'x y' --password \"a\\\" b\" https://u:p/w@h/?sig=0a1b2c3d4e5f6 -u a:b")
	f.Add("a0=\"curl\" a1[0]=2D75 a1[1]=613A62 proctitle=6D7973716C002D7078 name=\"x\"")
	f.Add("-----BEGIN PRIVATE KEY-----x\npassword: |\n  x\n{\"name\":\"token\",\"value\":\"x\"}")
	for _, s := range secrets.All() {
		f.Add(s.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, clean := range []string{Text(text, nil), Policy(text, nil)} {
			if utf8.RuneCountInString(clean) != utf8.RuneCountInString(text) {
				t.Fatalf("%q became %q: places moved", text, clean)
			}
			if strings.Count(clean, "\n") > strings.Count(text, "\n") {
				t.Fatalf("%q became %q", text, clean)
			}
		}
		Args(strings.Split(text, " "), nil)
		for _, typ := range []parser.Type{parser.AVC, parser.EXECVE, parser.PROCTITLE} {
			Records([]parser.Record{{Type: typ, Text: text}, {Type: typ, Text: text}}, Kinds{})
		}
	})
}
