package source

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/whydenied/whydenied/parser/bpf"
)

// An Observer sees which system calls the processes of each cgroup of this host make, those that
// nothing refuses, too. Programs in the kernel set a bit for each call, so that nothing is
// copied and no call is told twice. It serves one goroutine at a time.
type Observer struct {
	cgroups, empty, tasks, counts *ebpf.Map
	links                         []link.Link
	programs                      []*ebpf.Program // asked for what the kernel did not run
	layout                        layout
	version1                      int // hierarchy
}

// Observe loads and attaches the programs. It needs what tracing does: Linux 5.13 with BTF, and CAP_BPF
// and CAP_PERFMON; to Read takes CAP_BPF. The Observer is to be closed.
func Observe() (*Observer, error) { return observe(maxCgroups) }

// observe is Observe with room for so many cgroups.
func observe(room int) (*Observer, error) {
	o := &Observer{}
	if err := o.open(room); err != nil {
		o.Close()
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("not permitted; %s and %s are needed: run as root", BPF, Perfmon)
		}
		return nil, fmt.Errorf("trace: %w", err)
	}
	return o, nil
}

func (o *Observer) open(room int) error {
	places, err := traceOffsets()
	if err != nil {
		return err
	}
	controller, number := versionOne()
	ways, err := cgroupOffsets(controller)
	if err != nil {
		return err
	}
	o.layout, o.version1 = places.regs.layout, number
	if o.counts, err = bpf.NewCounters("whydenied_count", numObserveCounts); err != nil {
		return err
	}
	if o.tasks, err = newTaskStorage(); err != nil {
		return err
	}
	for _, m := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&o.cgroups, ebpf.MapSpec{Name: "whydenied_cgrp", Type: ebpf.Hash, KeySize: cgroupKey, ValueSize: uint32(observedSize), MaxEntries: uint32(room)}},
		{&o.empty, ebpf.MapSpec{Name: "whydenied_zero", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(observedSize), MaxEntries: 1}},
	} {
		if *m.to, err = ebpf.NewMap(&m.spec); err != nil {
			return fmt.Errorf("cannot create a map: %w", err)
		}
	}
	for _, p := range []struct {
		tracepoint   string
		instructions asm.Instructions
	}{{"sys_enter", o.onEnter(places, ways)}, {"sys_exit", o.onExit(places, ways)}} {
		program, attached, err := bpf.Attach(p.tracepoint, p.instructions)
		if err != nil {
			return err
		}
		o.programs, o.links = append(o.programs, program), append(o.links, attached)
	}
	return nil
}

// Close ends observing; sys_exit goes first, as it came last.
func (o *Observer) Close() {
	for _, l := range slices.Backward(o.links) {
		l.Close()
	}
	for _, p := range o.programs {
		p.Close()
	}
	for _, m := range []*ebpf.Map{o.cgroups, o.empty, o.tasks, o.counts} {
		m.Close()
	}
}

// Read returns what was called so far in each cgroup, and how many calls are missing in that.
func (o *Observer) Read() (list []Observed, missing Unobserved, err error) {
	var key, value []byte
	for all := o.cgroups.Iterate(); all.Next(&key, &value); {
		if observed, at, ok := decodeObserved(value, o.layout); ok {
			observed.Time, observed.Version1 = wallClock(at), o.version1
			for i := range observed.Cgroup {
				observed.Cgroup[i] = binary.NativeEndian.Uint64(key[8*i:])
			}
			list = append(list, observed)
		}
	}
	for i, to := range []*uint64{countObserveFull: &missing.Full, countObserveBeyond: &missing.Beyond, countObserveBlind: &missing.Blind} {
		if err := o.counts.Lookup(uint32(i), to); err != nil {
			return nil, missing, fmt.Errorf("cannot read the counters: %w", err)
		}
	}
	for _, p := range o.programs {
		stats, err := p.Stats()
		if err != nil {
			return nil, missing, fmt.Errorf("cannot read how often a program did not run: %w", err)
		}
		missing.Blind += stats.RecursionMisses
	}
	return list, missing, nil
}

// The counters of the programs, by their index.
const (
	countObserveFull = iota
	countObserveBeyond
	countObserveBlind
	numObserveCounts
)

// cgroupOffsets are the ways from a task to the ID of its cgroup: of version 2, and of version 1
// by a controller of it, nil if that is "". Together
// they tell containers apart on hosts that have either or both.
func cgroupOffsets(controller string) (ways [2][]int, err error) {
	types, err := bpf.KernelTypes()
	if err != nil {
		return ways, err
	}
	follow := func(steps ...string) (way []int) {
		for _, step := range steps {
			structure, member, _ := strings.Cut(step, " ")
			offset, stepErr := bpf.OffsetOf(types, structure, member)
			err = cmp.Or(err, stepErr)
			way = append(way, offset)
		}
		return way
	}
	ways[0] = follow("task_struct cgroups", "css_set dfl_cgrp", "cgroup kn", "kernfs_node id")
	if controller != "" {
		var ids *btf.Enum
		if err := types.TypeByName("cgroup_subsys_id", &ids); err != nil {
			return ways, fmt.Errorf("cannot find enum cgroup_subsys_id of the kernel: %w", err)
		}
		i := slices.IndexFunc(ids.Values, func(v btf.EnumValue) bool { return v.Name == controller+"_cgrp_id" })
		if i < 0 {
			return ways, fmt.Errorf("the kernel's enum cgroup_subsys_id has no %s", controller)
		}
		ways[1] = follow("task_struct cgroups", fmt.Sprintf("css_set subsys.%d", ids.Values[i].Value), "cgroup_subsys_state cgroup", "cgroup kn", "kernfs_node id")
	}
	return ways, err
}

// versionOne returns a controller of version 1 (cgroups(7)) that engines give each container, and
// the number of its hierarchy; "" if there is none.
func versionOne() (controller string, hierarchy int) {
	file, err := os.Open("/proc/cgroups")
	if err != nil {
		return "", 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); { // subsys_name hierarchy num_cgroups enabled
		words := strings.Fields(lines.Text())
		if len(words) == 4 && words[1] != "0" && slices.Contains([]string{"devices", "memory", "pids", "freezer"}, words[0]) && (controller == "" || words[0] == "devices") {
			if n, err := strconv.Atoi(words[1]); err == nil {
				controller, hierarchy = words[0], n
			}
		}
	}
	return controller, hierarchy
}
