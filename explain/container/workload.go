package container

import (
	"cmp"
	"regexp"
	"strings"
)

// Workload says of what the container is one run: by what is the same in the next run,
// as its ID never is and its name often not. It is the owner of its pod with the
// container's name there, the Compose service, the image without tag and digest, or else
// a name that somebody gave; "" if all that is known is made up by the engine.
//
// Two containers of one name in the pods of two owners are two workloads; the replicas of
// one owner are one.
func (c *Container) Workload() string {
	switch image := Repository(c.Image); {
	case c.Pod != "":
		owner := cmp.Or(c.Owner, podOwner(c.Pod))
		if c.Namespace != "" {
			owner = c.Namespace + "/" + owner
		}
		return strings.TrimSuffix("pod "+owner+" container "+cmp.Or(c.Name, image), " container ")
	case c.Service != "" && (image == "" || builtBy(image, c.Service)):
		return "service " + c.Service
	case c.Service != "":
		return "service " + c.Service + " of " + image
	case image != "":
		return "image " + image
	case c.Name != "":
		return "container " + c.Name
	case c.ID != "" && !IsFullID(c.ID) && !isHex(c.ID, 12): // that people choose, as of runc
		return "container " + c.ID
	}
	return ""
}

// builtBy reports whether Compose made up the name of an image of the project's and the
// service's: projects are often named by a run.
func builtBy(image, service string) bool {
	return strings.HasSuffix(image, "-"+service) || strings.HasSuffix(image, "_"+service)
}

// The names that controllers give to pods; the letters are those of SafeEncodeString() in
// k8s.io/apimachinery/pkg/util/rand, the hash that of a ReplicaSet, the digits the minute
// of a Job of a CronJob (pkg/controller/cronjob/utils.go of Kubernetes).
var (
	podOfReplicaSet = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	podOfCronJob    = regexp.MustCompile(`^(.+)-[0-9]{8}-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	podOfOther      = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	replicaSet      = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{8,10}$`)
	jobOfCronJob    = regexp.MustCompile(`^(.+)-[0-9]{8}$`)
)

// podOwner is what a pod's name says of what made it: the name without what a controller
// adds. Of a StatefulSet's the number stays, which the next run has again.
func podOwner(pod string) string {
	for _, form := range []*regexp.Regexp{podOfReplicaSet, podOfCronJob, podOfOther} {
		if m := form.FindStringSubmatch(pod); m != nil {
			return m[1]
		}
	}
	return pod
}

// ownerOf is the Deployment, CronJob or the like that the controller of a pod is of.
func ownerOf(kind, name string) string {
	form := map[string]*regexp.Regexp{"ReplicaSet": replicaSet, "Job": jobOfCronJob}[kind]
	if form != nil {
		if m := form.FindStringSubmatch(name); m != nil {
			return m[1]
		}
	}
	return name
}

// Repository is the name of an image without its tag and digest, and without what Docker
// leaves out of the names of its own hub; of an image that is known by its ID alone the ID.
func Repository(image string) string {
	name, _, digest := splitImage(image)
	if name == "" {
		return digest
	}
	for _, hub := range []string{"docker.io/", "index.docker.io/"} {
		name = strings.TrimPrefix(name, hub)
	}
	return strings.TrimPrefix(name, "library/")
}

// Tag is the tag of an image's name, "" if it has none.
func Tag(image string) string {
	_, tag, _ := splitImage(image)
	return tag
}

// splitImage returns the parts of an image's name, NAME:TAG@DIGEST. An ID is a name.
func splitImage(image string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') && name[:i] != "sha256" {
		name, tag = name[:i], name[i+1:]
	}
	return name, tag, digest
}
