package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
)

// An observing is a trace --observe: which system calls are made, by whom.
type observing struct {
	observer *source.Observer
	tracker  *track.Tracker // nil where processes cannot be followed
	find     func(container.Subject) container.Container
	flags    *watchFlags
	since    time.Time
	cgroups  map[[2]uint64]owner // by source.Observed.Cgroup
}

// An owner is whose a cgroup is, and whether its calls are asked for.
type owner struct {
	container container.Container
	wanted    bool
}

// runTraceObserve prints which system calls processes make, by container, when the time is over.
func runTraceObserve(cmd *cobra.Command, f watchFlags) error {
	f.output.formats = []string{"text", "json"}
	if err := f.output.check(); err != nil {
		return err
	}
	if len(f.filter.Profiles)+len(f.filter.Comms) > 0 {
		return usagef("--observe tells calls by container; --profile-name and --comm cannot choose among them")
	}
	o, err := openObserving(cmd, &f)
	if err != nil {
		return err
	}
	defer o.close()
	ctx, stop := context.WithTimeout(cmd.Context(), f.time)
	defer stop()
	// Whose a cgroup is, is asked while its first process is known.
	for tick := time.NewTicker(time.Second); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if _, _, err := o.read(); err != nil {
			return err
		}
	}
	list, missing, err := o.read()
	if err != nil {
		return err
	}
	observations := o.byContainer(list, missing)
	if err := printAll(cmd, f.output, report.NewObservationText, observations); err != nil {
		return err
	}
	if missing.Full > 0 {
		say(cmd.ErrOrStderr(), "%s of more cgroups than there is room for are not told", times(missing.Full))
	}
	if rest := missing.Beyond + missing.Blind; rest > 0 {
		say(cmd.ErrOrStderr(), "%s of this host were not looked at: %d with numbers of another kind (x32), %d while a program was running already", times(rest), missing.Beyond, missing.Blind)
	}
	if len(observations) == 0 {
		return errors.New("no process that was asked for made a system call meanwhile; whydenied trace --observe without --container says whose were made")
	}
	return cutShort(cmd)
}

func times(n uint64) string {
	if n == 1 {
		return "1 system call"
	}
	return fmt.Sprintf("%d system calls", n)
}

// openObserving begins with it, and gives up what it does not take to go on.
func openObserving(cmd *cobra.Command, f *watchFlags) (*observing, error) {
	stderr := cmd.ErrOrStderr()
	if err := f.checkCgroup(); err != nil {
		return nil, err
	}
	inventory, _, err := readInventory(f.policy.inventory)
	if err != nil {
		return nil, err
	}
	o := &observing{flags: f, find: inventory.Find, cgroups: map[[2]uint64]owner{}}
	if o.tracker, err = track.Watch(cmd.Context(), inventory); err == nil {
		o.find = o.tracker.Find
	} else {
		complain(stderr, fmt.Errorf("processes are not followed: %w", err))
		if f.cgroup != "" {
			return nil, errors.New("--cgroup needs the processes of this host to be followed, which they are not")
		}
	}
	if o.observer, err = source.Observe(); err != nil {
		o.close()
		return nil, err
	}
	o.since = time.Now()
	if err := source.DropCapabilities(source.DACReadSearch, source.SysPtrace, source.BPF); err != nil {
		complain(stderr, fmt.Errorf("capabilities that are not needed are kept: %w", err))
	}
	endsItself.Store(true)
	say(stderr, "reading which system calls are made, by tracing all of this host")
	return o, nil
}

func (o *observing) close() {
	if o.observer != nil {
		o.observer.Close()
	}
	if o.tracker != nil {
		o.tracker.Close()
	}
}

// read reads what was called so far, and finds out whose the cgroups are that are new in it.
func (o *observing) read() ([]source.Observed, source.Unobserved, error) {
	list, missing, err := o.observer.Read()
	o.note(list)
	return list, missing, err
}

// note finds out whose the cgroups are that were not seen before: later their first process may
// be gone.
func (o *observing) note(list []source.Observed) {
	for _, seen := range list {
		if _, known := o.cgroups[seen.Cgroup]; known {
			continue
		}
		subject := container.Subject{PID: seen.PID, Time: seen.Time}
		of := owner{container: o.whose(seen, subject)}
		of.wanted = o.flags.filter.OfContainer(&of.container) && (o.flags.cgroup == "" || o.tracker.Under(subject, o.flags.cgroup))
		o.cgroups[seen.Cgroup] = of
	}
}

// whose returns the container of a cgroup. Its path decides, where it is known: its first process was
// there, but when it was moved is not known so exactly that it could not have been elsewhere.
func (o *observing) whose(seen source.Observed, first container.Subject) container.Container {
	if o.tracker != nil {
		for i, hierarchy := range []int{0, seen.Version1} {
			in := first
			if in.CgroupPath = o.tracker.CgroupPath(hierarchy, seen.Cgroup[i]); in.CgroupPath == "" {
				continue
			}
			if c := o.find(in); c.Confidence == container.High {
				return c
			}
		}
	}
	return o.find(first)
}

// byContainer joins what was called in the cgroups of a container, a service or the host.
func (o *observing) byContainer(list []source.Observed, missing source.Unobserved) (all []report.Observation) {
	owners := map[string]container.Container{}
	calls := map[string][]parser.ObservedCall{}
	for _, seen := range list {
		of := o.cgroups[seen.Cgroup]
		if !of.wanted {
			continue
		}
		key := cmp.Or(of.container.ID, of.container.Unit)
		owners[key] = of.container
		calls[key] = append(calls[key], seen.Calls...)
	}
	until := time.Now()
	for key, c := range owners {
		observation := report.NewObservation(c, calls[key], missing.Sum())
		observation.Since, observation.Until = o.since.UTC(), until.UTC()
		all = append(all, observation)
	}
	slices.SortFunc(all, func(a, b report.Observation) int { return strings.Compare(a.Whose(), b.Whose()) })
	return all
}
