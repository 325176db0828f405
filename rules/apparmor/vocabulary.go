package apparmor

import "fmt"

// Vocabulary reports a capability, a signal, a family or type of sockets, or a limit of
// a request that the policy language has no name for.
func Vocabulary(req Request) error {
	known, name := true, ""
	switch r := req.(type) {
	case CapabilityRequest:
		known, name = isCapability(r.Name), "capability "+r.Name
	case SignalRequest:
		known, name = isSignal(r.Signal), "signal "+r.Signal
	case NetworkRequest:
		_, _, _, known = networkNames([]string{r.Family, r.Type})
		name = "network " + r.Family + " " + r.Type
	case RlimitRequest:
		known, name = rlimitKinds[r.Name] != "", "rlimit "+r.Name
	}
	if !known {
		return fmt.Errorf("AppArmor has no %s", name)
	}
	return nil
}
