module github.com/whydenied/whydenied/rules/seccomp/internal/tools

go 1.26.8

replace github.com/whydenied/whydenied => ../../../..

require github.com/opencontainers/runtime-spec v1.3.0

require golang.org/x/sys v0.49.0 // indirect
