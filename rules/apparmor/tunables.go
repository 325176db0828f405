package apparmor

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// tunableFiles are what the files of AppArmor's tunables/ directory set, for machines that
// have none: their variables, and the other files that they include. The values are
// those of AppArmor 5.0; a host may set others.
var tunableFiles = map[string]struct {
	includes []string
	sets     string
}{
	"global":    {[]string{"home", "multiarch", "proc", "alias", "kernelvars", "system", "xdg-user-dirs", "share", "etc", "run"}, ""},
	"alias":     {},
	"home":      {nil, "@{HOMEDIRS}=/home/\n@{HOME}=@{HOMEDIRS}/*/ /root/\n"},
	"proc":      {nil, "@{PROC}=/proc/\n"},
	"run":       {nil, "@{run}=/run/ /var/run/\n"},
	"etc":       {nil, "@{etc_ro}=/etc/ /usr/etc/\n@{etc_rw}=/etc/\n"},
	"sys":       {},
	"multiarch": {nil, "@{multiarch}=*-linux-gnu*\n"},
	"kernelvars": {nil, "@{pid}={" + numbers(6, "[1-9]") + ",[1-4]" + strings.Repeat("[0-9]", 6) + "}\n@{tid}=@{pid}\n@{pids}=@{pid}\n" +
		"@{uid}={[0-9]," + numbers(9, "[1-9]")[len("[1-9],"):] + ",[1-4]" + strings.Repeat("[0-9]", 9) + "}\n@{uids}=@{uid}\n@{sys}=/sys/\n"},
	"securityfs": {nil, "@{securityfs}=@{sys}/kernel/security/\n"},
	"apparmorfs": {[]string{"securityfs"}, "@{apparmorfs}=@{securityfs}/apparmor/\n"},
	"share": {nil, "@{flatpak_exports_root}={flatpak/exports,flatpak/{app,runtime}/*/*/*/*/export}\n" +
		"@{system_share_dirs}=/{usr,usr/local,var/lib/@{flatpak_exports_root}}/share\n" +
		"@{user_share_dirs}=@{HOME}/.local{,/share/@{flatpak_exports_root}}/share\n"},
	"system": {nil, systemTunables()},
	"xdg-user-dirs": {nil, `@{XDG_DESKTOP_DIR}="Desktop"
@{XDG_DOWNLOAD_DIR}="Downloads"
@{XDG_TEMPLATES_DIR}="Templates"
@{XDG_PUBLICSHARE_DIR}="Public"
@{XDG_DOCUMENTS_DIR}="Documents"
@{XDG_MUSIC_DIR}="Music"
@{XDG_PICTURES_DIR}="Pictures"
@{XDG_VIDEOS_DIR}="Videos"
`},
}

// numbers lists the globs of numbers of up to so many digits, the first of a class.
func numbers(digits int, first string) string {
	var globs []string
	for n := range digits {
		globs = append(globs, first+strings.Repeat("[0-9]", n))
	}
	return strings.Join(globs, ",")
}

// systemTunables are the names for runs of characters of a class: @{int} for up to ten
// digits, @{hex8} for eight hexadecimal ones, and so on.
func systemTunables() string {
	var out strings.Builder
	for _, class := range []struct {
		letter, class, name string
		most                int // characters of the name without a number
	}{{"d", "[0-9]", "int", 10}, {"c", "[0-9a-zA-Z]", "rand", 64}, {"h", "[0-9a-fA-F]", "hex", 64}, {"w", "[a-zA-Z0-9_]", "word", 64}} {
		fmt.Fprintf(&out, "@{%s}=%s\n", class.letter, class.class)
		fmt.Fprintf(&out, "@{%s}=%s%s\n", class.name, class.class, strings.Repeat("{"+class.class+",}", class.most-1))
		for _, n := range []int{2, 4, 6, 8, 9, 10, 12, 15, 16, 32, 64} {
			fmt.Fprintf(&out, "@{%s%d}=%s\n", class.name, n, strings.Repeat(class.class, n))
		}
	}
	out.WriteString("@{l}=[a-zA-Z]\n@{hex38}=" + strings.Repeat("[0-9a-fA-F]", 38) + "\n")
	out.WriteString("@{u8}=[0-9]{[0-9],} 1[0-9][0-9] 2[0-4][0-9] 25[0-5]\n@{pci_bus}=pci@{hex4}:@{hex2}\n")
	return out.String()
}

// standardTunables sets the variables of a file in tunables/ that this machine has
// not. It reports false for one that AppArmor does not ship.
func (r *resolver) standardTunables(s *includeStmt, sc scope) bool {
	name, ok := strings.CutPrefix(s.path, "tunables/")
	if !ok || !s.magic || sc.profile != nil || !r.setTunables(name, sc) {
		return false
	}
	r.report(rules.Diagnostic{At: s.loc, Severity: rules.Note, Code: "standard-tunables",
		Message: "<" + s.path + "> is not on this machine: its variables have the values that AppArmor ships, such as @{HOME}=/home/*/ /root/; a host may set others"})
	return true
}

// setTunables sets the variables of one such file, and of those that it includes.
func (r *resolver) setTunables(name string, sc scope) bool {
	file, ok := tunableFiles[name]
	if !ok {
		return false
	}
	key := "tunables/" + name // no file is included by such a name
	if sc.included[key] {
		return true
	}
	sc.included[key] = true
	for _, other := range file.includes {
		r.setTunables(other, sc)
	}
	parsed, _ := parse(rules.NewFile("<"+key+">", file.sets), maxTokens)
	r.preamble(parsed.stmts, sc)
	return true
}
