package track

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/whydenied/whydenied/explain/container"
)

// inspectContainerd asks containerd for a container in whichever of its namespaces, as ctr containers
// info prints it: ctr and nerdctl run what the CRI does not know, and no file has its image
// (api/services/containers/v1 and namespaces/v1 of containerd 1.6 and 2.1).
func (socket criAPI) inspectContainerd(ctx context.Context, id string) (container.Metadata, error) {
	about := "container " + container.ShortID(id)
	message, err := socket.callIn(ctx, "", "containerd.services.namespaces.v1.Namespaces/List", nil, about)
	if err != nil {
		return container.Metadata{}, err
	}
	var d decoder
	var namespaces []string
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		if name := d.text(bytes, 1); field == 1 && len(namespaces) < maxNamespaces && isNamespace(name) {
			namespaces = append(namespaces, name)
		}
	})
	question := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), id)
	for _, namespace := range namespaces {
		message, err := socket.callIn(ctx, namespace, "containerd.services.containers.v1.Containers/Get", question, about)
		if err == nil {
			var found containerdContainer
			d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
				if field == 1 {
					found = d.containerd(bytes)
				}
			})
			return socket.answer(id, "/"+namespace+"/"+id, found, d.err)
		}
	}
	return container.Metadata{}, fmt.Errorf("the engine at %s has no %s in its namespaces", socket, about)
}

// isNamespace reports whether a name can be that of a namespace, and stand in a header
// (identifiers.Validate of containerd).
func isNamespace(name string) bool { return name != "" && len(name) <= 76 && safeID(name) }

// A containerdContainer is what is read of a Container of containerd's, as ctr prints it.
type containerdContainer struct {
	ID, Image, SnapshotKey string
	Labels                 map[string]string
	CreatedAt              time.Time
	Spec                   json.RawMessage
}

// containerd decodes a Container.
func (d *decoder) containerd(message []byte) containerdContainer {
	c := containerdContainer{Labels: map[string]string{}}
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		switch field {
		case 1:
			c.ID = string(bytes)
		case 2:
			c.Labels[d.text(bytes, 1)] = d.text(bytes, 2)
		case 3:
			c.Image = string(bytes)
		case 5: // an Any, whose value is JSON
			c.Spec = json.RawMessage(d.text(bytes, 2))
		case 7:
			c.SnapshotKey = string(bytes)
		case 8:
			d.fields(bytes, func(field protowire.Number, seconds uint64, _ []byte) {
				if field == 1 && seconds < 1<<33 {
					c.CreatedAt = time.Unix(int64(seconds), 0).UTC()
				}
			})
		}
	})
	if !json.Valid(c.Spec) {
		c.Spec = json.RawMessage("null")
	}
	return c
}
