package export

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
)

// The messages of OTLP that logs need, as JSON has them: opentelemetry-proto 1.9,
// collector/logs/v1/logs_service.proto and logs/v1/logs.proto. Numbers of 64 bits are
// strings there, and keys lowerCamelCase.
type (
	logsRequest struct {
		ResourceLogs []*resourceLogs `json:"resourceLogs"`
	}
	resourceLogs struct {
		Resource  resource    `json:"resource"`
		ScopeLogs []scopeLogs `json:"scopeLogs"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeLogs struct {
		Scope      scope       `json:"scope"`
		LogRecords []logRecord `json:"logRecords"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	logRecord struct {
		Time       string      `json:"timeUnixNano"`
		Observed   string      `json:"observedTimeUnixNano"`
		Severity   int         `json:"severityNumber"`
		SeverityID string      `json:"severityText"`
		EventName  string      `json:"eventName"`
		Body       value       `json:"body"`
		Attributes []attribute `json:"attributes"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
		Array  *array  `json:"arrayValue,omitempty"`
	}
	array struct {
		Values []value `json:"values"`
	}
)

// eventName is that of every record: an event of one name has attributes of one shape.
const eventName = "whydenied.denial"

// Logs writes rows as the body of a request for OTLP/HTTP with JSON, one record a row;
// version is that of whydenied, observed when it is made. Rows of one container are of one
// resource. docs/fleet.md lists the attributes; where the semantic conventions (1.38) have a
// name, it is theirs.
func Logs(w io.Writer, version string, observed time.Time, rows []Row) error {
	var request logsRequest
	known := map[string]*resourceLogs{}
	for _, r := range rows {
		attributes := resourceOf(&r)
		key, err := json.Marshal(attributes)
		if err != nil {
			return err
		}
		of := known[string(key)]
		if of == nil {
			of = &resourceLogs{
				Resource:  resource{Attributes: attributes},
				ScopeLogs: []scopeLogs{{Scope: scope{Name: "github.com/whydenied/whydenied", Version: version}}},
			}
			known[string(key)] = of
			request.ResourceLogs = append(request.ResourceLogs, of)
		}
		of.ScopeLogs[0].LogRecords = append(of.ScopeLogs[0].LogRecords, newRecord(&r, observed))
	}
	return escape.JSON(w, request)
}

// resourceOf is what a row is about: the workload as a service, its container, its node.
func resourceOf(r *Row) []attribute {
	var a attributes
	a.text("host.name", r.Node)
	a.text("service.name", serviceOf(r.Finding.Workload))
	c := r.Finding.Container
	if c == nil {
		return a
	}
	a.text("container.id", c.ID)
	a.text("container.runtime.name", c.Runtime)
	image := container.Repository(c.Image)
	a.text("container.image.name", image)
	if tag := container.Tag(c.Image); tag != "" {
		a = append(a, attribute{"container.image.tags", value{Array: &array{[]value{{String: &tag}}}}})
	}
	if c.Pod == "" {
		a.text("container.name", c.Name)
		return a
	}
	a.text("k8s.node.name", r.Node)
	a.text("k8s.namespace.name", c.Namespace)
	a.text("k8s.pod.name", c.Pod)
	a.text("k8s.container.name", c.Name)
	return a
}

// serviceOf is the name in the words of a workload (container.Container.Workload): that
// of the Compose service, the image, or the owner of the pod; "" if there is none.
func serviceOf(workload string) string {
	words := strings.Fields(workload)
	for i, word := range words[:max(len(words)-1, 0)] {
		switch word {
		case "service", "image", "container":
			return words[i+1]
		case "pod":
			return words[i+1][strings.LastIndexByte(words[i+1], '/')+1:]
		}
	}
	return ""
}

func newRecord(r *Row, observed time.Time) logRecord {
	f := r.Finding
	number, text := severity(f.Mode)
	var a attributes
	a.text("whydenied.finding.id", f.ID)
	a.number("whydenied.finding.id_version", int64(f.IDVersion))
	a.text("whydenied.workload", f.Workload)
	a.text("whydenied.layer", layerOf(f))
	a.text("whydenied.cause", f.Cause)
	a.text("whydenied.decision", f.Decision)
	a.text("whydenied.mode", f.Mode)
	a.text("whydenied.profile", profileOf(f))
	a.text("whydenied.policy", f.Policy)
	a.text("whydenied.rule", ruleOf(f))
	a.text("whydenied.why", f.Why)
	a.text("whydenied.investigate", f.Investigate)
	a.text("whydenied.boot", r.Boot)
	a.time("whydenied.run", r.Run)
	a.time("whydenied.bucket.start", r.Start)
	a.number("whydenied.bucket.seconds", int64(r.Width/time.Second))
	a.number("whydenied.bucket.count", int64(r.Count))
	a.text("process.executable.name", f.Subject.Comm)
	a.text("process.executable.path", f.Subject.Exe)
	if f.Subject.PID > 0 {
		a.number("process.pid", int64(f.Subject.PID))
	}
	message := f.Message
	return logRecord{
		Time: nanoseconds(r.Last), Observed: nanoseconds(observed),
		Severity: number, SeverityID: text, EventName: eventName,
		Body: value{String: &message}, Attributes: a,
	}
}

// severity is that of what the kernel did, as SeverityNumber has it: nothing fails by
// what is only logged, and a process has ended where it was killed.
func severity(mode string) (number int, text string) {
	switch mode {
	case "KILLED":
		return 17, "ERROR"
	case "DENIED", "ERROR":
		return 13, "WARN"
	}
	return 9, "INFO"
}

// layerOf is which part of the kernel refused: apparmor, seccomp, selinux, ...
func layerOf(f *report.Finding) string {
	switch {
	case f.Seccomp != nil:
		return "seccomp"
	case f.Module != nil:
		return strings.ToLower(f.Module.Name)
	}
	return "apparmor"
}

// profileOf is the AppArmor profile that decided, "" of what else did.
func profileOf(f *report.Finding) string {
	if layerOf(f) != "apparmor" {
		return ""
	}
	i := slices.IndexFunc(f.Denial, func(field report.Field) bool { return field.Key == "profile" })
	if i < 0 {
		return ""
	}
	return f.Denial[i].Value
}

// ruleOf is where the rule is that answers for the finding: FILE:LINE.
func ruleOf(f *report.Finding) string {
	if len(f.Rules) == 0 {
		return ""
	}
	return f.Rules[0].File + ":" + strconv.Itoa(f.Rules[0].Line)
}

// attributes are those that have a value.
type attributes []attribute

func (a *attributes) text(key, text string) {
	if text != "" {
		*a = append(*a, attribute{key, value{String: &text}})
	}
}

func (a *attributes) number(key string, n int64) {
	text := strconv.FormatInt(n, 10)
	*a = append(*a, attribute{key, value{Int: &text}})
}

func (a *attributes) time(key string, t time.Time) { a.text(key, report.Time(t)) }

// nanoseconds is a time as fixed64 of Unix nanoseconds; "0" is unknown.
func nanoseconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}
