package escape

import (
	"strconv"
	"strings"
)

// A Metric is a part of an exposition of Prometheus, text format 0.0.4.
type Metric string

// MetricHead returns the lines that say what a metric is.
func MetricHead(name, kind Metric, help string) Metric {
	return "# HELP " + name + " " + Metric(strings.ReplaceAll(string(Line(help)), `\`, `\\`)) + "\n# TYPE " + name + " " + kind + "\n"
}

// labelEscapes are those of a label's value (the format's documentation, "Comments, help
// text, and type information"), after Line, which leaves no line end.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// MetricLine returns a sample, with labels in pairs of a name and a value.
func MetricLine(name Metric, n uint64, labels ...string) Metric {
	var out strings.Builder
	out.WriteString(string(name))
	for i := 0; i+1 < len(labels); i += 2 {
		out.WriteString([]string{"{", ","}[min(i, 1)])
		out.WriteString(labels[i] + `="` + labelEscapes.Replace(string(Line(labels[i+1]))) + `"`)
	}
	if len(labels) > 0 {
		out.WriteByte('}')
	}
	return Metric(out.String() + " " + strconv.FormatUint(n, 10) + "\n")
}
