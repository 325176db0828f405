package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// coverageOf is what is made up of the rules of a profile, in turns.
func coverageOf(t testing.TB, name string) []Coverage {
	text := "profile " + apparmor.QuotePath(name) + " {\n  /a r,\n  " + apparmor.QuotePath("/"+name) + " r,\n  /c r, /d r,\n\t/e r,\n}\n"
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile(name, text))
	p := coverage.Profile{Name: name, Language: "apparmor", Source: name}
	if len(policy.Profiles) > 0 {
		states := []coverage.Rule{{State: coverage.Used, Count: 1234, Narrower: "/" + name + " r,\n/b r,"}, {State: coverage.Unobserved}, {Dead: true, State: coverage.Unobserved}, {State: coverage.Used, Count: 2}, {State: coverage.Unrecorded}}
		for i, r := range policy.Profiles[0].Rules {
			rule := states[i%len(states)]
			rule.At, rule.AppArmor = r.Location(), r
			p.Rules = append(p.Rules, rule)
		}
	}
	return []Coverage{NewCoverage(&p)}
}

func TestCoverageHTML(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteCoverageHTML(&out, coverageOf(t, "web")))
	text := out.String()
	for _, part := range []string{
		`<li class="broader"><b>2</b><i>×1,234, broader</i><code>  /a r,</code></li>`,
		`<li class="broader"><b></b><i>narrower</i><code>  /b r,</code></li>`,
		`<li class="unobserved"><b>3</b><i>not observed</i><code>  /web r,</code></li>`,
		`<li class="dead"><b>4</b><i>×2, 1 dead</i><code>  /c r, /d r,</code></li>`,
		`<li class="unrecorded"><b>5</b><i>not recorded</i><code>&#9;/e r,</code></li>`,
		`<li class=""><b>6</b><i></i><code>}</code></li>`,
	} {
		assert.Contains(t, text, part)
	}
	page, err := escapetest.ReadHTML(text)
	require.NoError(t, err)
	assert.Contains(t, page.Elements, "meta http-equiv=Content-Security-Policy content="+string(pagePolicy("", escape.HTML(page.Texts["style"][0]))))
}

// Whatever names hold, the page has the elements that it has.
func TestCoverageHTMLHostile(t *testing.T) {
	elements := func(name string) string {
		var out bytes.Buffer
		require.NoError(t, WriteCoverageHTML(&out, coverageOf(t, name)))
		page, err := escapetest.ReadHTML(out.String())
		require.NoError(t, err)
		var names []string
		for _, e := range page.Elements {
			word, _, _ := strings.Cut(e, " ")
			names = append(names, word)
		}
		return strings.Join(names, " ")
	}
	for _, name := range append([]string{`</code><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`}, hostileNames...) {
		assert.NotContains(t, elements(name), "img", "%q", name)
		assert.Equal(t, strings.Count(elements("web"), "script"), strings.Count(elements(name), "script"), "%q", name)
	}
}
