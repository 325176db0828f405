package report

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A browser is a tab of a headless Chromium, with what its page did that a page is not to do.
type browser struct {
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

// newBrowser starts one, or skips the test where there is none.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatal("needs chromium")
		}
		t.Skip("needs chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(5*time.Minute))
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b := &browser{ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.look))
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	b.do(t, chromedp.EmulateViewport(1280, 900))
	return b
}

// look notes what is said on the console, what is thrown, and what asks the network.
func (b *browser) look(event any) {
	fault := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type != network.ResourceTypeDocument && !strings.HasPrefix(e.Request.URL, "data:,") { // which is the icon
			fault = "request of " + e.Request.URL
		}
	case *cdplog.EventEntryAdded:
		fault = "log: " + e.Entry.Text
	case *runtime.EventConsoleAPICalled:
		fault = "console: " + string(e.Type)
	case *runtime.EventExceptionThrown:
		fault = "thrown: " + e.ExceptionDetails.Text
	case *cdppage.EventJavascriptDialogOpening:
		fault = "dialog: " + e.Message
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// open shows a report, with the part of its address that holds a choice.
func (b *browser) open(t *testing.T, r *Report, choice string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(file, []byte(renderHTML(t, r)), 0o600))
	b.do(t, chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()+choice), chromedp.WaitVisible(chromedp.CSS("#controls")))
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(b.ctx, steps...))
}

// ask evaluates an expression of JavaScript.
func ask[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return value
}

// status waits until the page says that it shows so many findings.
func (b *browser) status(t *testing.T, begins string) {
	t.Helper()
	b.until(t, fmt.Sprintf(`document.querySelector("[role=status]").textContent.startsWith(%q)`, begins))
}

// until waits until an expression is true.
func (b *browser) until(t *testing.T, expression string) {
	t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(2*time.Minute)))
	require.NoError(t, err, expression+": "+ask[string](t, b, `document.querySelector("[role=status]").textContent`))
}

// clean fails if a page did what it is not to do.
func (b *browser) clean(t *testing.T) {
	t.Helper()
	later := `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true))))`
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](later, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(t, b.faults)
}

// openAll opens groups and findings, and tells how many of them there are.
const openAll = `for (const d of document.querySelectorAll("#list details")) { d.open = true }; document.querySelectorAll("#list details").length`

// TestPage uses a page as a reader does.
func TestPage(t *testing.T) {
	b := newBrowser(t)
	b.open(t, madeUp(t, 60, func(i int) string { return fmt.Sprintf("/srv/%d/name-%d.", i%3, i) }), "")
	b.status(t, "60 findings, seen ")

	// Groups, and what is below them, are made when they are opened.
	assert.Equal(t, 1, ask[int](t, b, `document.querySelectorAll("#list > li > details.group").length`))
	assert.Zero(t, ask[int](t, b, `document.querySelectorAll(".detail").length`))
	b.do(t, chromedp.Click(chromedp.CSS("#list summary")), chromedp.WaitVisible(chromedp.CSS("#list ol > li")))
	assert.Equal(t, 51, ask[int](t, b, `document.querySelectorAll("#list ol > li").length`)) // with the button
	b.do(t, chromedp.Click(chromedp.CSS(".more button")))
	assert.Equal(t, 60, ask[int](t, b, `document.querySelectorAll("#list ol > li").length`))
	b.do(t, chromedp.Click(chromedp.CSS("#list ol summary")), chromedp.WaitVisible(chromedp.CSS(".detail")))
	detail := ask[string](t, b, `document.querySelector(".detail").textContent`)
	for _, part := range []string{"a rule names this path", "^ grants r", "+  /var/cache/nginx/x w,", "high confidence", "first record"} {
		assert.Contains(t, detail, part)
	}

	// A diff is copied whole, or selected where a page may not copy.
	b.do(t, chromedp.Click(chromedp.CSS(".copy")))
	b.until(t, `/^(Copied|Selected)$/.test(document.querySelector(".copy").textContent)`)

	// The keyboard searches, and Enter sends no form.
	b.do(t, chromedp.KeyEvent("/"))
	assert.Equal(t, "search", ask[string](t, b, `document.activeElement.type`))
	ask[string](t, b, `document.activeElement.value = ""`) // as DevTools type the key too
	b.do(t, chromedp.KeyEvent("NAME-59. create\r"))
	b.until(t, `location.hash === "#query=NAME-59.+create"`)
	b.status(t, "1 finding, seen ")
	b.do(t, chromedp.Click(`//button[text()="Reset"]`))
	b.status(t, "60 findings, ")

	// A time is chosen by the keyboard, and by dragging over the chart.
	b.do(t, chromedp.Focus(chromedp.CSS("[aria-label=Until]")), chromedp.KeyEvent(kb.Home))
	b.status(t, "13 findings, ")
	b.do(t, chromedp.Click(`//button[text()="Whole time"]`))
	b.status(t, "60 findings, ")
	box := ask[[]float64](t, b, `(() => { const b = document.querySelector("figure svg").getBoundingClientRect(); return [b.left, b.top, b.width, b.height] })()`)
	b.do(t, chromedp.DragAndDropXY(box[0]+2, box[1]+box[3]/2, box[0]+box[2]*1.5/6, box[1]+box[3]/2)) // over two of six bars
	b.status(t, "29 findings, ")
	b.clean(t)
}

// TestPageNarrow holds that on a phone nothing is as wide that one has to scroll for it, but
// policy and diffs.
func TestPageNarrow(t *testing.T) {
	b := newBrowser(t)
	b.do(t, chromedp.EmulateViewport(390, 900))
	b.open(t, wholeReport(t), "")
	for range 2 { // groups, then what they hold
		ask[int](t, b, openAll)
	}
	assert.Empty(t, ask[[]string](t, b, `[document.documentElement, ...document.querySelectorAll("body *:not(pre, pre *, svg, svg *)")]
		.filter((e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1).map((e) => e.tagName + "." + e.className)`))
	b.clean(t)
}

// TestPageRecallsChoice holds that an address has what was chosen.
func TestPageRecallsChoice(t *testing.T) {
	b := newBrowser(t)
	b.open(t, wholeReport(t), "#risk=low&verdict=killed&by=&query=mkdir")
	b.status(t, "1 finding, seen 3 times")
	b.do(t, chromedp.Evaluate[chromedp.Void](`location.hash = "#cause=deny-rule"`))
	b.status(t, "2 findings, seen 3 times")
	b.do(t, chromedp.Evaluate[chromedp.Void](`location.hash = "#cause=nothing%20such&from=9999&by=__proto__&order=constructor"`))
	b.status(t, "7 findings, ")
	b.clean(t)
}

// TestPageHostile holds that no name of a report is more than text in a browser, folded or
// whole, with a script or without.
func TestPageHostile(t *testing.T) {
	b := newBrowser(t)
	names := append(slices.Clone(hostileNames), `<script>document.title="owned"</script>`, `<img src=x onerror="document.title='owned'">`, `"><svg onload=alert(1)>`,
		`</script><script>alert(1)</script>`, `<!--<script>`, `javascript:alert(1)`, `__proto__`, `constructor`, `{{7*7}}`, `<iframe src=//x.example>`, `<link rel=stylesheet href=//x.example>`, `<base href=//x.example>`)
	var all Report
	for i, name := range names {
		one := hostileReport(t, name)
		one.Findings[0].ID = fmt.Sprint(i)
		all.Findings = append(all.Findings, one.Findings...)
		all.Diagnostics = append(all.Diagnostics, one.Diagnostics...)
		all.Summary, all.Silent, all.Patch, all.Config = one.Summary, one.Silent, one.Patch, &Config{Inputs: []string{name}}
	}
	b.open(t, &all, "#by=cause")
	title := ask[string](t, b, `document.title`)
	for range 2 { // groups, then what they hold
		assert.Greater(t, ask[int](t, b, openAll), 2)
	}
	for _, tag := range ask[[]string](t, b, `[...new Set([...document.querySelectorAll("body *")].map((e) => e.tagName.toLowerCase()))]`) {
		assert.Contains(t, strings.Fields(pageElements+" button input label option path select svg"), tag)
	}
	assert.Equal(t, title, ask[string](t, b, `document.title`))
	b.clean(t)
}

// TestPageOfMany holds that each of 100,000 findings is found.
func TestPageOfMany(t *testing.T) {
	b := newBrowser(t)
	b.open(t, madeUp(t, 100_000, func(i int) string { return fmt.Sprintf("/srv/data/%d/session-%06d", i%40, i) }), "")
	b.status(t, "100,000 findings, ")
	b.do(t, chromedp.SendKeys(chromedp.CSS("[type=search]"), "session-077777"))
	b.status(t, "1 finding, ")
	b.do(t, chromedp.Click(chromedp.CSS("#list summary")), chromedp.WaitVisible(chromedp.CSS("#list ol summary")), chromedp.Click(chromedp.CSS("#list ol summary")), chromedp.WaitVisible(chromedp.CSS(".detail")))
	assert.Contains(t, ask[string](t, b, `document.querySelector(".detail").textContent`), "/srv/data/17/session-077777")
	b.clean(t)
}
