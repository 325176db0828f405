module github.com/whydenied/whydenied/rules/apparmor/internal/tools

go 1.26
