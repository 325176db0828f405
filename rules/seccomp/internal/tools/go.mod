module github.com/whydenied/whydenied/rules/seccomp/internal/tools

go 1.26.8

replace github.com/whydenied/whydenied => ../../../..

require (
	github.com/opencontainers/runtime-spec v1.3.0
	github.com/whydenied/whydenied v0.0.0-00010101000000-000000000000
)

require (
	github.com/aymanbagabas/go-udiff v0.4.1 // indirect
	github.com/goccy/go-yaml v1.19.2 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
