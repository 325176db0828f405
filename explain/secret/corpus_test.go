package secret

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/testdata/secrets"
)

// structured is what a program is given as one argument, if at all.
var structured = regexp.MustCompile(`^\{|^\w+: | => `)

// split splits a command line of the corpus as a shell would.
func split(text string) (args []string) {
	if strings.HasPrefix(text, "-----BEGIN") || structured.MatchString(text) {
		return []string{text}
	}
	for at := 0; at < len(text); {
		start, end, next := word(text, at)
		if start < end {
			args = append(args, strings.NewReplacer(`'`, "", `"`, "").Replace(text[start:end]))
		}
		at = max(next, at) + 1
	}
	return args
}

// allPlaces are where a secret can stand: what is shown of it there.
var allPlaces = map[string]func(t *testing.T, s secrets.Secret) string{
	"arguments": func(_ *testing.T, s secrets.Secret) string { return strings.Join(Args(split(s.Text), nil), " ") },
	"shell script": func(_ *testing.T, s secrets.Secret) string {
		return Args([]string{"sh", "-c", "set -e\n" + s.Text}, nil)[2]
	},
	"text":        func(_ *testing.T, s secrets.Secret) string { return Text("see "+s.Text, nil) },
	"YAML":        func(_ *testing.T, s secrets.Secret) string { return Text("a:\n- b: c\n  run: "+s.Text+"\n", nil) },
	"config file": func(_ *testing.T, s secrets.Secret) string { return Text("[x]\na = 1\n"+s.Text+"\nb = 2\n", nil) },
	"JSON":        func(t *testing.T, s secrets.Secret) string { return ofJSON(t, map[string]any{"x": s.Text}) },
	"inspect labels": func(t *testing.T, s secrets.Secret) string {
		return ofJSON(t, map[string]any{"Config": map[string]any{"Labels": map[string]string{"x": s.Text}}})
	},
	"inspect arguments": func(t *testing.T, s secrets.Secret) string {
		return ofJSON(t, []any{map[string]any{"Path": "x", "Args": split(s.Text), "Config": map[string]any{"Env": []string{"X=" + s.Text, strings.Replace(s.Value, "_gitlab_session=", "", 1)}}}})
	},
	"pod": func(t *testing.T, s secrets.Secret) string {
		return ofJSON(t, map[string]any{"containers": []any{map[string]any{"args": split(s.Text), "env": []any{map[string]string{"name": "x", "value": s.Text}}}}})
	},
	"profile comment": func(_ *testing.T, s secrets.Secret) string {
		return Policy("profile x {\n  /a r, # "+s.Text+"\n}\n", nil)
	},
	"EXECVE": func(_ *testing.T, s secrets.Secret) string {
		args := split(s.Text)
		text := fmt.Sprintf("argc=%d", len(args))
		for i, arg := range args {
			text += fmt.Sprintf(" a%d=%X", i, arg)
		}
		return ofRecords(parser.EXECVE, text)
	},
	"EXECVE in pieces": func(_ *testing.T, s secrets.Secret) string {
		args := split(s.Text)
		texts := []string{fmt.Sprintf("argc=%d", len(args))}
		for i, arg := range args {
			texts[len(texts)-1] += fmt.Sprintf(" a%d_len=%d", i, 2*len(arg))
			for j := 0; len(arg) > 0; j++ {
				n := min(7, len(arg))
				if j == 2 { // goes on in another record
					texts = append(texts, "")
				}
				texts[len(texts)-1] += fmt.Sprintf(" a%d[%d]=%X", i, j, arg[:n])
				arg = arg[n:]
			}
		}
		return ofRecords(parser.EXECVE, texts...)
	},
	"PROCTITLE": func(_ *testing.T, s secrets.Secret) string {
		return ofRecords(parser.PROCTITLE, "proctitle="+hex.EncodeToString([]byte(strings.Join(split(s.Text), "\x00"))))
	},
}

// ownPlaces are where only what has a form of its own can be told.
var ownPlaces = map[string]func(t *testing.T, s secrets.Secret) string{
	"URL":         func(_ *testing.T, s secrets.Secret) string { return Text("https://host/x?y="+s.Text+"&z=1", nil) },
	"header":      func(_ *testing.T, s secrets.Secret) string { return Text("X-Y: "+s.Text+"\r\n", nil) },
	"environment": func(_ *testing.T, s secrets.Secret) string { return Text("export X="+s.Text, nil) },
	"file name":   func(_ *testing.T, s secrets.Secret) string { return Text("/srv/"+s.Text+"/x", nil) },
	"rule":        func(_ *testing.T, s secrets.Secret) string { return Policy("  /srv/"+s.Text+"/x r,\n", nil) },
	"AVC": func(_ *testing.T, s secrets.Secret) string {
		return ofRecords(parser.AVC, `apparmor="DENIED" name="/srv/`+s.Text+`" comm="x"`) +
			ofRecords(parser.AVC, fmt.Sprintf(`apparmor="DENIED" name=%X comm="x"`, "/srv/ "+s.Text))
	},
}

func ofJSON(t *testing.T, value any) string {
	text, err := json.Marshal(value)
	require.NoError(t, err)
	clean, err := JSON(text, nil)
	require.NoError(t, err)
	assert.True(t, json.Valid(clean), "%s", clean)
	assert.Equal(t, utf8.RuneCount(text), utf8.RuneCount(clean), "columns stay")
	return string(clean)
}

// ofRecords returns the records' arguments and names, decoded.
func ofRecords(typ parser.Type, texts ...string) string {
	var records []parser.Record
	for _, text := range texts {
		records = append(records, parser.Record{Type: typ, Text: text})
	}
	Records(records, nil)
	var shown strings.Builder
	for _, r := range records {
		for _, f := range fieldsOf(r.Text) {
			shown.WriteString(f.value)
		}
	}
	return shown.String()
}

func TestCorpus(t *testing.T) {
	all := secrets.All()
	assert.GreaterOrEqual(t, len(all), 300)
	total := 0
	for _, table := range []map[string]func(*testing.T, secrets.Secret) string{allPlaces, ownPlaces} {
		for _, place := range slices.Sorted(maps.Keys(table)) {
			kinds := 0
			for _, s := range all {
				if ownPlaces[place] != nil && !s.IsBare() {
					continue
				}
				kinds++
				shown := table[place](t, s)
				if piece := s.Leaked(shown); piece != "" {
					t.Errorf("%s, %s: %q of %q leaves %q", s.Kind, place, piece, s.Text, shown)
				}
			}
			t.Logf("%-18s %d kinds", place, kinds)
			total += kinds
		}
	}
	t.Logf("%d secrets of %d kinds; without a form: %s", total, len(all), strings.Join(secrets.Formless, ", "))
}
