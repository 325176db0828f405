package export_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/explain/report"
)

var at = time.Date(2026, 3, 1, 9, 12, 3, 0, time.UTC)

func row(change func(*report.Finding)) export.Row {
	f := &report.Finding{
		ID: "0123456789ab", IDVersion: 2, Message: "nginx in container web-1 may not write /var/cache/nginx/x",
		Cause: "missing-permission", Decision: "refused", Mode: "DENIED", Workload: "image nginx", Policy: "/etc/apparmor.d/web",
		Container: &report.Container{ID: "3f9c1d2a7b41", Name: "web-1", Image: "docker.io/library/nginx:1.27", Runtime: "docker"},
		Subject:   report.Subject{PID: 17, Comm: "nginx", Exe: "/usr/sbin/nginx"},
		Denial:    report.Fields{{Key: "profile", Value: "web"}},
		Rules:     []report.Rule{{File: "/etc/apparmor.d/web", Line: 17}},
	}
	if change != nil {
		change(f)
	}
	return export.Row{Node: "node-1", Boot: "b", Finding: f, Start: at.Truncate(time.Minute), Width: time.Minute, Last: at, Count: 1<<63 - 1}
}

// collected are rows as the collector reads their request.
func collected(t *testing.T, rows []export.Row) plog.Logs {
	t.Helper()
	var body bytes.Buffer
	require.NoError(t, export.Logs(&body, "v1", at.Add(time.Second), rows))
	require.True(t, utf8.Valid(body.Bytes()) && json.Valid(body.Bytes()))
	logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(body.Bytes())
	require.NoError(t, err)
	return logs
}

// The reader of OpenTelemetry's own collector says what a request says.
func TestLogsAsTheCollectorReadsThem(t *testing.T) {
	pod := row(func(f *report.Finding) {
		f.Workload = "user 1000 pod shop/web container app"
		f.Container = &report.Container{Name: "app", Image: "registry.example:5000/web@sha256:00", Pod: "web-0", Namespace: "shop"}
		f.Mode, f.Seccomp = "KILLED", &report.Seccomp{SyscallName: "mount"}
	})
	none := row(func(f *report.Finding) { f.Container = nil; f.Mode = "ALLOWED" })
	logs := collected(t, []export.Row{row(nil), pod, row(nil), none})
	require.Equal(t, 3, logs.ResourceLogs().Len())
	require.Equal(t, 4, logs.LogRecordCount())

	docker := logs.ResourceLogs().At(0)
	assert.Equal(t, map[string]any{
		"host.name": "node-1", "service.name": "nginx",
		"container.id": "3f9c1d2a7b41", "container.name": "web-1", "container.runtime.name": "docker",
		"container.image.name": "nginx", "container.image.tags": []any{"1.27"},
	}, docker.Resource().Attributes().AsRaw())
	record := docker.ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, "whydenied.denial", record.EventName())
	assert.Equal(t, plog.SeverityNumberWarn, record.SeverityNumber())
	assert.Equal(t, at, record.Timestamp().AsTime())
	assert.Equal(t, at.Add(time.Second), record.ObservedTimestamp().AsTime())
	assert.Equal(t, "nginx in container web-1 may not write /var/cache/nginx/x", record.Body().Str())
	attributes := record.Attributes().AsRaw()
	assert.Equal(t, int64(1<<63-1), attributes["whydenied.bucket.count"])
	assert.Equal(t, "2026-03-01T09:12:00.000Z", attributes["whydenied.bucket.start"])
	assert.Equal(t, "/etc/apparmor.d/web:17", attributes["whydenied.rule"])
	assert.Equal(t, "web", attributes["whydenied.profile"])
	assert.Equal(t, int64(17), attributes["process.pid"])

	kube := logs.ResourceLogs().At(1)
	assert.Equal(t, map[string]any{
		"host.name": "node-1", "service.name": "web", "container.image.name": "registry.example:5000/web",
		"k8s.node.name": "node-1", "k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.container.name": "app",
	}, kube.Resource().Attributes().AsRaw())
	assert.Equal(t, plog.SeverityNumberError, kube.ScopeLogs().At(0).LogRecords().At(0).SeverityNumber())
	_, hasProfile := kube.ScopeLogs().At(0).LogRecords().At(0).Attributes().Get("whydenied.profile")
	assert.False(t, hasProfile, "seccomp has none")
	assert.Equal(t, plog.SeverityNumberInfo, logs.ResourceLogs().At(2).ScopeLogs().At(0).LogRecords().At(0).SeverityNumber())
}

// FuzzLogs holds that no name makes a request another one.
func FuzzLogs(f *testing.F) {
	for _, name := range []string{"x", "\x00\x1b]8;;", `"},{"`, "\xff\xfe", strings.Repeat("é", 300), "\u202e"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r := row(func(f *report.Finding) {
			f.Message, f.Subject.Comm, f.Container.Image, f.Denial[0].Value = name, name, name, name
		})
		logs := collected(t, []export.Row{r})
		require.Equal(t, 1, logs.LogRecordCount())
		record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		assert.Equal(t, pcommon.ValueTypeStr, record.Body().Type())
		if utf8.ValidString(name) {
			assert.Equal(t, name, record.Body().Str())
		}
	})
}

// A row of another container or program than the finding's first is of that.
func TestIn(t *testing.T) {
	f := row(nil).Finding
	in := export.In(f, report.Counted{Name: "shop/web-1/app", ID: "ff", Image: "web:2"}, "sh")
	assert.Equal(t, &report.Container{ID: "ff", Name: "app", Image: "web:2", Runtime: "docker", Pod: "web-1", Namespace: "shop"}, in.Container)
	assert.Equal(t, report.Subject{Comm: "sh"}, in.Subject)
	assert.Equal(t, "web-1", f.Container.Name, "the finding itself is as it was")
	assert.Equal(t, f, export.In(f, report.Counted{}, ""))
	assert.Equal(t, f, export.In(f, report.Counted{Name: "web-1", ID: f.Container.ID}, "nginx"))
	assert.Equal(t, "job", export.In(f, report.Counted{Name: "job-1/job"}, "").Container.Name)
}
