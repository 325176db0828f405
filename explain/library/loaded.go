package library

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/disk"
)

// loadedPrefix begins the name of a profile that this host's kernel holds: loaded:NAME,
// or loaded::NAMESPACE:NAME.
const loadedPrefix = "loaded:"

// IsLoaded reports whether a name is that of a profile which the kernel holds.
func IsLoaded(name string) bool { return strings.HasPrefix(name, loadedPrefix) }

// loadedPolicy is where the kernel shows its policy to root: a directory for each
// profile (__aafs_profile_mkdir of security/apparmor/apparmorfs.c).
const loadedPolicy = "/sys/kernel/security/apparmor/policy"

// UseKernel has profiles that are found nowhere else be taken from this host's kernel,
// which has them without source.
func (l *Library) UseKernel() { l.kernel = true }

// inThisKernel returns the profile of that name that the kernel holds, or nil.
func (l *Library) inThisKernel(name string) *apparmor.Profile {
	if !l.kernel {
		return nil
	}
	policy, asked := l.byFile[loadedPrefix+name]
	if !asked {
		policy, _ = l.readLoaded(name)
		l.byFile[loadedPrefix+name] = policy
	}
	if policy == nil {
		return nil
	}
	return policy.Profile(name)
}

// readLoaded reads the policy of a profile that this host's kernel holds.
func (l *Library) readLoaded(name string) (*apparmor.Policy, error) {
	dir, local := loadedPolicy, name
	if rest, ok := strings.CutPrefix(name, ":"); ok {
		namespace, of, ok := strings.Cut(rest, ":")
		if !ok || namespace == "" || strings.Contains(namespace, "/") || strings.HasPrefix(namespace, ".") {
			return nil, fmt.Errorf("%.200q names no profile of a namespace, as loaded::NAMESPACE:NAME does", loadedPrefix+name)
		}
		dir, local = path.Join(dir, "namespaces", namespace), of
	}
	raw, err := l.rawData(path.Join(dir, "profiles"), local)
	if err != nil {
		return nil, fmt.Errorf("cannot read the loaded profile %.200q: %w", name, err)
	}
	policy, err := compiledPolicy(loadedPrefix+name, raw)
	if err == nil && policy.Profile(local) == nil {
		return nil, fmt.Errorf("what the kernel says to have loaded profile %.200q from does not hold it", name)
	}
	return policy, err
}

// rawData returns what a profile was loaded from. Children and hats come with their
// parent.
func (l *Library) rawData(dir, profile string) ([]byte, error) {
	names, err := l.tree.Dirs(l.Root + dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, errors.New("only root may")
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("the kernel shows no policy here: AppArmor is off, or securityfs is not mounted")
	case err != nil:
		return nil, err
	}
	parent, _, _ := strings.Cut(profile, "//")
	found := ""
	for _, n := range names {
		at := path.Join(dir, n)
		text, err := l.kernelFile(path.Join(at, "name"), 1<<16)
		if name := strings.TrimSuffix(string(text), "\n"); err == nil && (name == profile || name == parent && found == "") {
			found = at
		}
	}
	if found == "" {
		return nil, errors.New("no profile of that name is loaded")
	}
	raw, err := l.kernelFile(path.Join(found, "raw_data"), binary.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the kernel does not keep what profiles are loaded from (CONFIG_SECURITY_APPARMOR_EXPORT_BINARY)")
	}
	return raw, err
}

// kernelFile reads a file that the kernel makes, or the copy of it in a bundle.
func (l *Library) kernelFile(name string, max int64) ([]byte, error) {
	if l.tree == nil {
		return disk.ReadKernels(l.Root+name, max)
	}
	text, err := l.tree.ReadFile(name)
	return []byte(text), err
}

// UseCompiled is AddProfile for compiled policy that has been read.
func (l *Library) UseCompiled(file *rules.File) (*apparmor.Policy, error) {
	policy, err := compiledPolicy(file.Name, []byte(file.Text))
	_, _, err = l.addCompiled(file.Name, policy, err)
	return policy, err
}

// addCompiled is AddProfile for policy without source.
func (l *Library) addCompiled(name string, policy *apparmor.Policy, err error) (*apparmor.Policy, []rules.Diagnostic, error) {
	if err == nil {
		l.named = append(l.named, namedPolicy{name, policy})
	}
	return policy, nil, err
}

// compiledPolicy reads compiled policy.
func compiledPolicy(name string, raw []byte) (*apparmor.Policy, error) {
	decoded, err := binary.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var profiles []*apparmor.Profile
	for _, p := range decoded {
		profiles = append(profiles, p.AppArmor())
	}
	return apparmor.LoadedPolicy(rules.NewFile(name, ""), profiles), nil
}
