package message

import (
	"regexp"
	"strings"
	"sync"
)

// A phrase of what is no refusal by the kernel, and what it says: a clause.
type other struct {
	text *regexp.Regexp // of a line in lower case
	says string
}

// others are what people take for a refusal, or have in its place: the errors of a full disk and of
// what is not there, and refusals by others than the kernel.
var others = sync.OnceValue(func() []other {
	return []other{
		{regexp.MustCompile(`\bno space left on device\b|\benospc\b`), "a file system is full, of blocks or of inodes (`df -h`, `df -i`)"},
		{regexp.MustCompile(`\bdisk quota exceeded\b|\bedquot\b`), "a disk quota is used up (`quota -s`); a rootless engine keeps its images in the home directory"},
		{regexp.MustCompile(`\bexecutable file not found in \$path\b`), "the program is not in the image, or not in its PATH"},
		{regexp.MustCompile(`^exec /\S+: no such file or directory$|\bexec user process caused\W+no such file or directory\b`),
			"the program is not there, or what runs it: the interpreter of its first line (#!, which a carriage return at the end of that line makes another), or the loader of another C library (of glibc in an image of Alpine)"},
		{regexp.MustCompile(`\bfuse:? device not found\b|\bfuse: mount failed: no such device\b`), "there is no /dev/fuse: the module fuse is not loaded, or the container has not the device (docker run --device /dev/fuse with --cap-add SYS_ADMIN; features: fuse=1 of Proxmox VE)"},
		{regexp.MustCompile(`\brtnetlink answers: operation not supported\b|\bprotocol not supported\b`), "the kernel has not what was asked for: a module (such as wireguard) that is not there or not loaded on the host"},
		{regexp.MustCompile(`\baccess denied by server while mounting\b`), "the NFS server refused: its exports do not name this client"},
		{regexp.MustCompile(`\bviolates podsecurity\b`), "Pod Security Admission of the API server refused the pod, by a label of its namespace (pod-security.kubernetes.io/enforce): the text names what its securityContext lacks"},
		{regexp.MustCompile(`\bsecurity context constraint\b|\bpodsecuritypolicy\b.*\bunable to\b`), "the API server admits no such pod: what the text names is allowed by none of the security context constraints (OpenShift) or pod security policies of its service account"},
		{regexp.MustCompile(`\bis forbidden: user "[^"]*" cannot \w+ resource\b`), "Kubernetes' own access control (RBAC) gives that account no such right: `kubectl auth can-i`"},
		{regexp.MustCompile(`\bpull access denied\b|\brequested access to the resource is denied\b`), "the registry refused the image: its name, or the login (docker login, imagePullSecrets)"},
		{regexp.MustCompile(`\bpermission denied \((?:publickey|password)`), "the SSH server refused the key or the password"},
		{regexp.MustCompile(`\bpermission denied for (?:table|schema|database|relation|sequence|function)\b|\bpassword authentication failed\b|\baccess denied for user\b`), "the database refused its own user or role"},
		{regexp.MustCompile(`\bdetected dubious ownership\b`), "git itself looks at the owner: git config --global --add safe.directory DIR, or the owner of the working tree"},
		{regexp.MustCompile(`\bdata directory "[^"]*" has (?:wrong ownership|invalid permissions|group or world access)\b`), "PostgreSQL itself looks at owner and mode: the directory has to belong to its user, with mode 0700 or 0750"},
		{regexp.MustCompile(`\brunning as root without --no-sandbox is not supported\b`), "Chromium itself does not run as root in its sandbox: run it as another user (USER of the image, runAsUser)"},
		{regexp.MustCompile(`\baddress already in use\b|\bport is already allocated\b`), "another process has the port (`ss -ltnp`)"},
		{regexp.MustCompile(`\boomkilled\b|\bout of memory\b`), "memory ran out, of the host or of the container's limit"},
	}
})

// NoRefusal returns what a line says that no layer of the kernel refused, a clause, or "": such as that the disk
// is full, or that a server refused a client. It is for lines of which Read knows no refusal.
func NoRefusal(line string) string {
	lower := lowerASCII(bare(strings.TrimSpace(line[:min(len(line), maxMessage)])))
	for _, o := range others() {
		if o.text.MatchString(lower) {
			return o.says
		}
	}
	return ""
}
