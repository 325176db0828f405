package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
)

// wholeReport is that of messages.
func wholeReport(t testing.TB) *Report {
	var r Report
	for _, m := range messages(t) {
		require.NoError(t, r.Add(m))
	}
	r.Help = func(cause string) (string, bool) { return "# " + cause + "\n", cause == "deny-rule" }
	return &r
}

func renderHTML(t testing.TB, r *Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, WriteHTML(&out, r))
	return out.String()
}

// dataOf returns what the script of a page is given.
func dataOf(t testing.TB, page *escapetest.HTMLPage) (data pageData) {
	t.Helper()
	require.Len(t, page.Texts["script"], 2)
	require.NoError(t, json.Unmarshal([]byte(page.Texts["script"][0]), &data))
	return data
}

func TestHTML(t *testing.T) {
	page, err := escapetest.ReadHTML(renderHTML(t, wholeReport(t)))
	require.NoError(t, err)
	all := strings.Join(page.Elements, "\n")
	for _, element := range []string{"html lang=en", "header", "main", "h1", "table", "ol id=list class=findings", "noscript", "form id=controls role=search hidden="} {
		assert.Contains(t, all, element)
	}
	text := ""
	for _, list := range page.Texts {
		text += strings.Join(list, "\n")
	}
	for _, part := range []string{
		"34 denials in 7 findings", "records may be missing: 305 suppressed, 12 serial gaps", "no closing quote", // the head
		"may not create and write /var/cache/nginx/x", "a deny rule refuses it", // without a script
		"11 |   /var/cache/nginx/** r,\n", "+  /var/cache/nginx/x w,", "medium confidence: only container with AppArmor profile web; it runs sh",
		"whoever writes core_pattern", "# deny-rule",
	} {
		assert.True(t, strings.Contains(text, part), part)
	}
	data := dataOf(t, page)
	assert.Equal(t, []int{1234, 14, 3, 2, 1, 1, 1}, data.Rows.Count)
	assert.Empty(t, data.Folds)
	for _, group := range data.Groups {
		assert.Len(t, group.Of, 7, group.Name)
	}
}

// TestHTMLPolicy holds that the page permits its own script and style alone.
func TestHTMLPolicy(t *testing.T) {
	page, err := escapetest.ReadHTML(renderHTML(t, wholeReport(t)))
	require.NoError(t, err)
	policy := "meta http-equiv=Content-Security-Policy content=" + string(pagePolicy(escape.HTML(page.Texts["script"][1]), escape.HTML(page.Texts["style"][0])))
	assert.Contains(t, page.Elements, policy)
	for _, directive := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
		assert.Contains(t, policy, directive)
	}
	assert.NotContains(t, policy, "unsafe")
	for _, e := range page.Elements {
		assert.NotRegexp(t, `^(a|img|iframe|object|embed|base|audio|video|svg) `, e)
		assert.NotRegexp(t, ` (src|action|style|on\w+)=`, e)
	}
}

// pageElements are those that the body of a page has without its script.
const pageElements = "article b code dd details div dl dt form h1 h2 h3 header li main noscript ol p pre script section small span strong summary table tbody td th thead time tr ul"

func FuzzHTML(f *testing.F) {
	fuzzFormat(f, "html", func(t *testing.T, name string, output []byte) {
		isText(t, output)
		page, err := escapetest.ReadHTML(string(output))
		require.NoError(t, err)
		assert.Empty(t, page.Comments)
		for _, e := range page.Elements {
			tag, attributes, _ := strings.Cut(e, " ")
			assert.Contains(t, strings.Fields("html head meta title link style body "+pageElements), tag)
			if attributes != "" && tag != "meta" {
				assert.Regexp(t, `^((class|id|lang|name|rel|href|type|role|aria-label|aria-hidden|hidden|content|charset)=[A-Za-z0-9/_., =:-]*)+$`, attributes)
			}
		}
		for _, s := range dataOf(t, page).Strings {
			assert.NoError(t, (&escapetest.Terminal{Tabs: true}).Print(string(s)))
		}
	})
}

// madeUp are findings that a program makes up.
func madeUp(t testing.TB, n int, name func(i int) string) *Report {
	r := wholeReport(t)
	one := r.Findings[0]
	r.Findings = nil
	for i := range n {
		f := one
		f.ID = fmt.Sprintf("%012x", i)
		f.Count = 1 + (n-i)%1000
		f.Denial = append(Fields{}, one.Denial...)
		for j := range f.Denial {
			if f.Denial[j].Key == "name" {
				f.Denial[j].Value = name(i)
			}
		}
		first := start.Add(time.Duration(i%3600) * time.Second)
		f.First, f.Last = Time(first), Time(first.Add(time.Minute))
		f.Times = &Times{Start: Time(first.Truncate(16 * time.Second)), Seconds: 16, Counts: []uint32{uint32(f.Count - 1), 0, 1}}
		f.Message = sentenceOf(&f).String()
		r.Findings = append(r.Findings, f)
	}
	return r
}

// maxPage is what a page may have at most.
const maxPage = 3_000_000

// TestManyFindings holds that a page stays small, and that what it does not list it counts.
func TestManyFindings(t *testing.T) {
	for _, c := range []struct {
		name     string
		of       func(i int) string
		n        int
		listed   int // at least
		unlisted bool
	}{
		{"folded", func(i int) string { return fmt.Sprintf("/srv/data/%d/session-%06d", i%40, i) }, 100_000, 100_000, false},
		{"each elsewhere", func(i int) string { return fmt.Sprintf("/srv/%d/%s", i, strings.Repeat("x", i%50)) }, 10_000, 2_000, true},
		{"long", func(i int) string { return "/" + fmt.Sprint(i) + strings.Repeat("<", 3000) }, 600, 100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := renderHTML(t, madeUp(t, c.n, c.of))
			assert.Less(t, len(text), maxPage)
			page, err := escapetest.ReadHTML(text)
			require.NoError(t, err)
			data := dataOf(t, page)
			listed := len(data.Rows.Count)
			denials := data.Unlisted.Denials
			for _, n := range data.Rows.Count {
				denials += n
			}
			for _, fold := range data.Folds {
				listed += len(fold.Names) - 1
				sum := 0
				for _, n := range fold.Counts {
					sum += n
				}
				assert.Equal(t, data.Rows.Count[fold.Row], sum)
			}
			assert.Equal(t, c.n, listed+data.Unlisted.Findings)
			assert.GreaterOrEqual(t, listed, c.listed)
			assert.Equal(t, c.unlisted, data.Unlisted.Findings > 0)
			want := 0
			for i := range c.n {
				want += 1 + (c.n-i)%1000
			}
			assert.Equal(t, want, denials)
			t.Logf("%d bytes, %d rows, %d listed", len(text), len(data.Rows.Count), listed)
		})
	}
}
