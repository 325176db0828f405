package explain

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/shell"
)

// unsetLogin is auid= of processes that no login started: (uid_t)-1, and what ausearch -i has.
var unsetLogin = map[string]bool{"4294967295": true, "unset": true, "-1": true}

// mayBeUnit reports whether a process can be a service of systemd by what its record says: it
// is of no container that is known, runs under no profile, and belongs to no login.
func (f *Finding) mayBeUnit() bool {
	label := f.Denial.Subject.Label
	record := &f.Denial.Event.Records[f.Denial.Record]
	return f.Container.Unit != "" || f.Container.Confidence == container.Unknown && (label == "" || label == "unconfined") && unsetLogin[record.Get("auid")]
}

// explainUnit says of a call that a filter refused which is perhaps that of a unit of
// systemd, how the unit is given it (SystemCallFilter= of systemd.exec(5): what a drop-in
// names is added to a list of what is allowed, and taken from one of what is refused).
func (f *Explained) explainUnit() {
	record := f.Denial.Seccomp
	name, _ := seccomp.SyscallName(seccomp.Arch(record.Arch), record.Syscall)
	if name == "" || record.Traced || record.Syscall >= 1<<30 || !f.mayBeUnit() { // a call of x32 is its architecture's matter
		return
	}
	if a := seccomp.Action(record.Code); a != seccomp.KillProcess && a != seccomp.KillThread { // which container engines seldom make, and units have where they say nothing
		return
	}
	gives := fmt.Sprintf("`SystemCallFilter=%s` gives it this call", name)
	if group, calls := seccomp.SystemdGroup(name); group != "" && group != "@default" { // which each list of what is allowed has
		gives += fmt.Sprintf(", `SystemCallFilter=%s` all %d calls of its group", group, len(calls))
	}
	unit, why := "UNIT", "No login started the process, it is of no container that is known, and no profile confines it: it may be a service of systemd, whose filter is SystemCallFilter= of its unit. The journal has the unit's name, at this time: `UNIT: Main process exited, code=killed, status=31/SYS`."
	switch {
	case f.Container.Unit == "" && record.Unit != "":
		unit = shell.Quote(record.Unit)
		why = fmt.Sprintf("Right after it systemd says that %s failed, so the process may have been of that service, whose filter is SystemCallFilter= of its unit (`systemctl cat %s`), unless the program installed one itself.", record.Unit, unit)
	case f.Container.Unit != "":
		unit = shell.Quote(f.Container.Unit)
		why = fmt.Sprintf("By its cgroup the process was of the service %s, whose filter is SystemCallFilter= of its unit (`systemctl cat %s`), unless the program installed one itself.", f.Container.Unit, unit)
	}
	f.Unit = cmp.Or(f.Container.Unit, record.Unit, "UNIT")
	f.Notes = append(f.Notes, why,
		fmt.Sprintf("Such a unit gets a drop-in by `systemctl edit %s`. In that, below `[Service]`, %s. Then `systemctl restart %[1]s`.", unit, gives))
}

// explainNspawn says how a machine of systemd-nspawn is given a call that a filter refused, and
// reports whether it could. No file is that filter: it is a list of what is allowed, which
// SystemCallFilter= of systemd.nspawn(5) adds to and takes from, and answers all else with an errno
// (setup_seccomp() in src/nspawn/nspawn-seccomp.c, systemd 257).
func (f *Explained) explainNspawn() bool {
	record := f.Denial.Seccomp
	name, _ := seccomp.SyscallName(seccomp.Arch(record.Arch), record.Syscall)
	if name == "" || f.Cause != ProfileNotFound {
		return false
	}
	machine := shell.Quote(f.Container.ID)
	if a := seccomp.Action(record.Code); a != seccomp.Errno {
		f.Why = fmt.Sprintf("the filter of systemd-nspawn answers an errno to what it refuses, and never %s: this is a filter of a unit in the machine, or of the program itself", a)
		f.Notes = append(f.Notes, fmt.Sprintf("In the machine a unit has its filter by SystemCallFilter= (`systemctl --machine=%s cat UNIT`).", machine))
		return true
	}
	f.Why = "systemd-nspawn makes the filter itself, of a list of what is allowed, the capabilities of the machine and SystemCallFilter="
	f.Notes = append(f.Notes, fmt.Sprintf("`SystemCallFilter=%s` allows it, below `[Exec]` in /etc/systemd/nspawn/%s.nspawn, or `--system-call-filter=%[1]s` on the command line of systemd-nspawn. Where a list that begins with ~ names the call or a group that has it, that goes before: take it out there. Then start the machine anew. A unit in the machine can have a filter of its own.", name, machine))
	if danger := fix.SyscallDanger(name); danger.Risk == rules.High {
		f.Investigate = fmt.Sprintf("%s: %s. Find out why the program calls it before allowing it.", name, danger.Reason)
	}
	return true
}

// isSystemd reports whether a process is systemd, or a child of it that has yet to execute
// its program: it has the end of the program's name then, in parentheses
// (rename_process_from_path in src/core/execute.c, systemd 252).
func isSystemd(s parser.Subject) bool {
	return s.Comm == "systemd" || strings.HasPrefix(s.Comm, "(") && strings.HasSuffix(s.Comm, ")")
}

// noteUnitsProfile says where systemd has the name of a profile from that is not loaded.
func (f *Explained) noteUnitsProfile(name string) {
	of, unit := "", "UNIT"
	if f.Container.Unit != "" {
		unit = shell.Quote(f.Container.Unit)
		of = " of the unit " + f.Container.Unit
	} else if inner := strings.Trim(f.Denial.Subject.Comm, "()"); inner != "systemd" {
		of = fmt.Sprintf(" of the unit whose program's name ends in %s", inner)
	}
	f.Notes = append(f.Notes, fmt.Sprintf("systemd was told to run a program under it, by AppArmorProfile=%s%s: load the profile, or mend the name. Where that stands: `grep -rs AppArmorProfile= /etc/systemd /run/systemd /usr/lib/systemd`. With AppArmorProfile=-%[1]s in a drop-in (`systemctl edit %[3]s`) the unit starts without the profile where it is not loaded.", name, of, unit))
}
