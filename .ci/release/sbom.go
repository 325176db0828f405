package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM writes what the programs are made of: CycloneDX 1.6. It has no serial number,
// which would be another each time.
func (r *release) writeSBOM() error {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.date.Format(time.RFC3339),
		Component: r.component("github.com/whydenied/whydenied", "v"+r.version, "Apache-2.0", cdx.ComponentTypeApplication),
	}
	libraries := []cdx.Component{*r.component("stdlib", "v"+strings.TrimPrefix(runtime.Version(), "go"), "BSD-3-Clause", cdx.ComponentTypeLibrary)}
	for _, m := range r.modules {
		libraries = append(libraries, *r.component(m.path, m.version, m.licence, cdx.ComponentTypeLibrary))
	}
	var needs []string
	for _, c := range libraries {
		needs = append(needs, c.BOMRef)
	}
	bom.Components = &libraries
	bom.Dependencies = &[]cdx.Dependency{{Ref: bom.Metadata.Component.BOMRef, Dependencies: &needs}}
	var out bytes.Buffer
	encoder := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "whydenied_"+r.version+".cdx.json"), out.Bytes(), 0o644)
}

// component describes a module by its package URL.
func (r *release) component(path, version, licence string, kind cdx.ComponentType) *cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	return &cdx.Component{
		BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: licence}}},
	}
}
