//go:build !unix || aix || solaris

package main

func inForeground() bool { return false }
