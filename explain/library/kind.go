package library

import (
	"regexp"
	"strings"
)

// The shapes of files that people take for policy, and which are none.
var (
	resourceKind = regexp.MustCompile(`(?m)^kind:[ \t]*["']?([A-Za-z]+)`)
	apiVersion   = regexp.MustCompile(`(?m)^apiVersion:[ \t]*\S`)
	tomlTable    = regexp.MustCompile(`(?m)^\[[\w.-]+\][ \t\r]*$`)
	tomlValue    = regexp.MustCompile(`(?m)^[\w.-]+[ \t]*=[ \t]*["\[\w]`)
)

// kindOf says of a text that is of another kind than policy which one it is and what to
// take instead, a sentence without its end; "" of all others.
func kindOf(text string) string {
	kind := resourceKind.FindStringSubmatch(text)
	switch {
	case kind != nil && apiVersion.MatchString(text):
		return "a Kubernetes resource of kind " + kind[1] + ", and no policy: " + takeInstead(kind[1], text)
	case tomlTable.MatchString(text) && tomlValue.MatchString(text):
		return "TOML, and no policy: take what is made of it, an AppArmor profile or a seccomp profile in JSON"
	}
	return ""
}

// takeInstead says where the policy is that a resource is about.
func takeInstead(kind, text string) string {
	switch kind {
	case "ConfigMap":
		if strings.Contains(text, "defaultAction") || strings.Contains(text, "profile ") {
			return "take the profile out of its data, `kubectl get configmap NAME -o json | jq -r '.data[\"KEY\"]' > FILE`"
		}
		return "it holds no profile, as far as its data tell"
	case "AppArmorProfile", "RawSelinuxProfile", "SelinuxProfile":
		return "the Security Profiles Operator makes the policy of it on each node; an AppArmor profile lies there in /etc/apparmor.d"
	case "ProfileBinding", "ProfileRecording":
		return "it names workloads, whose profiles are resources of their own (kubectl get seccompprofile,apparmorprofile)"
	}
	return "take the profile that it names (seccompProfile.localhostProfile, a file below /var/lib/kubelet/seccomp of the node; appArmorProfile, in /etc/apparmor.d there); explain takes a pod as JSON by --inventory"
}
