package container_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
)

// An inventory is made of what engines have printed, and finds the container of a
// process by what is known of that.
func ExampleInventory_Find() {
	id := strings.Repeat("3f9c1d2a", 8)
	inspect := `[{"Id": "` + id + `", "Name": "/web-1", "Created": "2026-11-23T09:00:00Z", "AppArmorProfile": "docker-default",
		"State": {"Status": "running", "Pid": 150, "StartedAt": "2026-11-23T09:00:01Z"}, "Config": {"Image": "nginx:1.27"}}]`
	containers, err := container.Read("inspect.json", []byte(inspect))
	if err != nil {
		log.Fatal(err)
	}
	var inventory container.Inventory
	inventory.Add(containers...)

	c := inventory.Find(container.Subject{CgroupPath: "/system.slice/docker-" + id + ".scope"})
	fmt.Println(c.Name, c.Image, c.Runtime, c.Confidence)

	// A profile that every container has tells little, and an unknown process nothing.
	c = inventory.Find(container.Subject{Label: "docker-default"})
	fmt.Println(c.Name, c.Confidence, c.Evidence)
	c = inventory.Find(container.Subject{PID: 151})
	fmt.Printf("%q %v\n", c.Name, c.Confidence)
	// Output:
	// web-1 nginx:1.27 docker high
	// web-1 low [only container with AppArmor profile docker-default]
	// "" unknown
}

// A cgroup's path names the container and mostly its runtime, without any metadata.
func ExampleFromCgroup() {
	id := strings.Repeat("0c", 32)
	for _, path := range []string{"0::/machine.slice/libpod-" + id + ".scope", "/kubepods/burstable/pod7f3a/" + id, "/system.slice/cron.service"} {
		id, runtime, ok := container.FromCgroup(path)
		fmt.Printf("%q %q %v\n", container.ShortID(id), runtime, ok)
	}
	// Output:
	// "0c0c0c0c0c0c" "podman" true
	// "0c0c0c0c0c0c" "" true
	// "" "" false
}
