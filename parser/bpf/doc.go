// Package bpf is what programs in the kernel need, whatever they are for: they are
// written with the assembler of cilium/ebpf, attached to raw tracepoints, find
// what they read by the type information of the running kernel, tell of it in a
// ring, count what they cannot tell, and date by the time since boot. It is for
// Linux only, and knows nothing of the rest of the module.
package bpf
