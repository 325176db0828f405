package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	layers "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeImages writes a container image for each Linux: an OCI layout in a tar, which
// `docker load`, `podman load`, `ctr images import` and `skopeo copy oci-archive:` take. It
// is made without an engine, and holds the program and its licences alone.
func (r *release) writeImages() error {
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		image, err := r.image(t)
		if err != nil {
			return err
		}
		text, err := r.archived(image)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.out, "whydenied_"+r.version+"_"+t.name()+".oci.tar"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// image makes the image of a target.
func (r *release) image(t target) (v1.Image, error) {
	program, err := os.ReadFile(t.program)
	if err != nil {
		return nil, err
	}
	copyright, err := os.ReadFile(filepath.Join(r.work, "copyright"))
	if err != nil {
		return nil, err
	}
	text, err := tarball("", []file{{"usr/bin/whydenied", 0o755, program}, {"usr/share/doc/whydenied/copyright", 0o644, copyright}}, r.date)
	if err != nil {
		return nil, err
	}
	layer, err := layers.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		layers.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = t.os, t.arch, v1.Time{Time: r.date}
	if t.arch == "arm" {
		config.Variant = "v7"
	}
	config.History = []v1.History{{Created: v1.Time{Time: r.date}, CreatedBy: "whydenied v" + r.version}}
	config.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/whydenied"},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "whydenied",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source":   "https://github.com/whydenied/whydenied",
		},
	}
	return mutate.ConfigFile(image, config)
}

// archived is the OCI layout of an image as a tar, with the manifest.json that Docker before
// version 25 reads.
func (r *release) archived(image v1.Image) ([]byte, error) {
	dir := filepath.Join(r.work, "oci")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return nil, err
	}
	name := "whydenied:" + r.version
	if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.version, "io.containerd.image.name": "docker.io/library/" + name,
	})); err != nil {
		return nil, err
	}
	list, err := blobs(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	blob := func(h v1.Hash) string { return fmt.Sprintf("blobs/%s/%s", h.Algorithm, h.Hex) }
	old, err := json.Marshal([]map[string]any{{
		"Config": blob(manifest.Config.Digest), "RepoTags": []string{name}, "Layers": []string{blob(manifest.Layers[0].Digest)},
	}})
	if err != nil {
		return nil, err
	}
	return tarball("", append(list, file{"manifest.json", 0o644, old}), r.date)
}

// blobs are the files of a layout, in order.
func blobs(dir string) (list []file, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, file{filepath.ToSlash(name), 0o644, text})
		return err
	})
	return list, err
}
