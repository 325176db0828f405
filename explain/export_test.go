package explain

import "runtime"

// Drain waits until all that was added has been taken up.
func (a *Ahead) Drain() {
	for len(a.waiting) > 0 {
		runtime.Gosched()
	}
}
