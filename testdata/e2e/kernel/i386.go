//go:build linux

package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// exit32 ends by the exit of i386.
const exit32 = `__asm__(".globl _start\n_start: mov $1, %eax\n xor %ebx, %ebx\n int $0x80\n");`

// I386 reports whether calls can be made by the entry of i386, int $0x80. On some
// virtual machines, and where the kernel is told so, it raises SIGSEGV before any filter
// is asked. Nothing can be installed for it, so that is said and is no failure.
func I386(t testing.TB) bool {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		return false
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		Missing(t, "gcc")
	}
	source := filepath.Join(t.TempDir(), "exit32.c")
	program := source[:len(source)-2]
	require.NoError(t, os.WriteFile(source, []byte(exit32), 0o600))
	out, err := exec.Command(gcc, "-static", "-nostdlib", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	if err := exec.Command(program).Run(); err != nil {
		t.Logf("not tested: calls of i386, as int $0x80 ends here with %v", err)
		return false
	}
	return true
}
