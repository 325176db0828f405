package container

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Libvirt is the Runtime of a virtual machine of libvirt: what `virsh dumpxml` prints, or its
// file in /etc/libvirt/qemu (the format: "Domain XML format" of libvirt's manual).
const Libvirt = "libvirt"

// isDomain reports whether a text is the XML of a virtual machine. Comments may stand before
// it.
func isDomain(text []byte) bool {
	start := text[:min(len(text), 4<<10)]
	return bytes.HasPrefix(bytes.TrimSpace(start), []byte("<")) && (bytes.Contains(start, []byte("<domain ")) || bytes.Contains(start, []byte("<domain>")))
}

// A domain is what is read of the XML.
type domain struct {
	XMLName  xml.Name `xml:"domain"`
	Name     string   `xml:"name"`
	UUID     string   `xml:"uuid"`
	ID       string   `xml:"id,attr,omitempty"`
	Emulator string   `xml:"devices>emulator,omitempty"`
	Labels   []struct {
		Type  string `xml:"type,attr,omitempty"`
		Model string `xml:"model,attr,omitempty"`
		Label string `xml:"label,omitempty"`
	} `xml:"seclabel"`
	Disks []keptDisk `xml:"devices>disk"` // for domainKept alone
}

// readDomain reads a virtual machine. Where no label says another thing its profile is made for
// it, and has its UUID in the name (src/security/security_apparmor.c).
func readDomain(name string, text []byte) (Container, error) {
	var d domain
	if err := xml.Unmarshal(text, &d); err != nil {
		return Container{}, fmt.Errorf("%s: broken XML of a virtual machine: %w; save it again with `virsh dumpxml NAME`", name, err)
	}
	c := Container{Name: d.Name, ID: d.UUID, Runtime: Libvirt, AppArmorProfile: "libvirt-" + d.UUID, Setup: &Setup{File: name}}
	if d.ID != "" {
		c.State = "running"
	}
	if d.Emulator != "" {
		c.Command = []string{d.Emulator}
	}
	models := map[string]bool{}
	for _, label := range d.Labels {
		models[label.Model] = true
		switch {
		case label.Model != "apparmor" && label.Model != "":
		case label.Type == "none":
			c.AppArmorProfile = "unconfined"
		case label.Type == "static" && label.Label != "":
			c.AppArmorProfile = label.Label
		}
	}
	if d.UUID == "" && c.AppArmorProfile == "libvirt-" || models["selinux"] && !models["apparmor"] {
		c.AppArmorProfile = ""
	}
	var err error
	c.Setup.Given, err = given(text)
	return c, err
}

// maxGiven bounds the files that are read of one virtual machine.
const maxGiven = 4096

// given returns the files of the host that the XML names, of which libvirt makes rules
// (get_files in src/security/virt-aa-helper.c): sources of disks and other devices, and what the
// machine starts from. What lies behind a disk's image is read only.
func given(text []byte) (all []Given, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	first, behind := 0, 0 // of the device that is being read; the images in which one is
	for len(all) < maxGiven {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if end, ok := token.(xml.EndElement); ok && end.Name.Local == "backingStore" {
			behind--
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := element.Name.Local; name {
		case "disk", "interface", "filesystem", "serial", "console", "channel", "hostdev", "graphics", "rng":
			first = len(all)
		case "backingStore":
			behind++
		case "source":
			all = append(all, sourceOf(element, behind > 0)...)
		case "readonly":
			for i := first; i < len(all); i++ {
				all[i].ReadOnly = true
			}
		case "kernel", "initrd", "dtb", "loader", "nvram":
			inner, _ := decoder.Token()
			if data, ok := inner.(xml.CharData); ok && path.IsAbs(strings.TrimSpace(string(data))) {
				all = append(all, Given{strings.TrimSpace(string(data)), name != "nvram"})
			}
			first = len(all)
		}
	}
	return all, nil
}

func sourceOf(element xml.StartElement, readOnly bool) (all []Given) {
	for _, attr := range element.Attr {
		switch attr.Name.Local {
		case "file", "dev", "dir", "path":
			if path.IsAbs(attr.Value) {
				all = append(all, Given{attr.Value, readOnly})
			}
		}
	}
	return all
}

// GivenFor returns which of the given files a name is or lies below.
func (s *Setup) GivenFor(name string) (g Given, ok bool) {
	for _, g := range s.Given {
		if within(name, g.Path) {
			return g, true
		}
	}
	return Given{}, false
}
