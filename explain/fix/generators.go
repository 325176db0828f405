package fix

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A generator makes names of which each run has others.
type generator struct {
	why  string                // what a name of it holds: "a name of mktemp"
	in   func() *regexp.Regexp // matches the folder that it makes names in, with the slash at its end; nil for any
	name func() *regexp.Regexp // matches a component of a path; see alphabet for its groups
	// least is how many breaks the letters by chance have at least where the record
	// does not tell that the name is a temporary one, which one break suffices for then.
	// With 0 the name is known by what else is in it, and its letters are no word.
	least int
	need  need
	sure  bool // the rest of a name leaves no doubt: letters a of alphabet
}

// A need is what must be known beside a name for it to be a generator's.
type need int

const (
	nothing need = iota
	made         // the program makes or changes the file
	scratch      // likewise, in a folder for temporary files, or by a call that makes such
	byCall       // it is made by a call that makes temporary files
	never        // the next run has as likely the same name
)

// alphabet says by the name of a group what it is made of, and what stands for it in
// a rule. Where names of a generator have one length, so has the glob.
//
//	r  letters by chance: a ? each
//	a  the same, where all else in the name leaves no doubt, whatever they look like
//	h  hexadecimal digits: a class each up to 8, more are a ? each
//	t  a time: a class for each digit, the rest as it is
//	n  a number of any length, m a second one, v a version: [0-9]*
//	x  a hexadecimal number of any length, y and z further ones: [0-9a-f]*
//	q  what is no word, such as a UUID: a ? for each letter and digit
//	c  the same, of letters and digits: of one of both it is as likely something else
//	w  what may be a word: a ? each
//	p  letters, digits and _ as Perl chooses them, which no word looks like: a ? each
func alphabet(group, part string) string {
	const digit, hex = "[0-9]", "[0-9a-f]"
	switch group {
	case "n", "m", "v":
		return digit + "*"
	case "x", "y", "z":
		return hex + "*"
	case "t":
		var glob strings.Builder
		for i := range len(part) {
			if isDigit(part[i]) {
				glob.WriteString(digit)
			} else {
				glob.WriteByte(part[i])
			}
		}
		return glob.String()
	case "h":
		if len(part) <= 8 {
			return strings.Repeat(hex, len(part))
		}
	case "q", "c":
		return alphanumeric.ReplaceAllString(part, "?")
	}
	return strings.Repeat("?", len(part))
}

var alphanumeric = regexp.MustCompile(`[A-Za-z0-9]`)

// byChance reports whether a part of a name is by chance, as far as its alphabet tells.
func byChance(group, part string, least int) bool {
	switch {
	case least > 0:
		return random(part, least)
	case group == "r":
		return !isWord(part)
	case group == "c":
		return strings.ContainsAny(part, "0123456789") && strings.ContainsAny(part, "abcdef")
	case group == "p":
		return strings.Contains(part, "_") && smallBeforeCapitals().MatchString(part)
	}
	return true
}

// smallBeforeCapitals is where a word goes over into an abbreviation, as few names do.
var smallBeforeCapitals = lazy(`[a-z][A-Z]{2}`)

// mixed is six letters of which capitals follow a small one, as in few words.
const mixed = `[a-z][A-Z]{2}[A-Za-z]{3}|[A-Za-z][a-z][A-Z]{2}[A-Za-z]{2}|[A-Za-z]{2}[a-z][A-Z]{2}[A-Za-z]|[A-Za-z]{3}[a-z][A-Z]{2}`

// row makes a generator. In its expression SEP stands for what parts of a name are
// separated by, END for what may be behind the last: an ending, or another part that
// varies (a NUL each, as no name has one).
func row(why, in, name string, least int, need need) generator {
	name = strings.NewReplacer("SEP", `[._\-\x00]`, "END", `(?:\.[A-Za-z][A-Za-z0-9]{0,5}){0,2}(?:[._~-]*\x00.*|,v|~)?$`, "LEAD", `(?:[._-]?(?:[a-z]{2,}|[A-Z][a-z]{2,})|[a-z._-]*[._-][a-z]{2,})`, "LIBC", `[A-Za-z0-9]{6}`, "PY", `[a-z0-9_]{8}`).Replace(name)
	g := generator{why: why, name: lazy(name), least: least, need: need, sure: strings.Contains(name, "(?P<a>") || strings.Contains(name, "(?P<p>")}
	if in != "" {
		g.in = lazy(in)
	}
	return g
}

// lazy compiles an expression when it is first needed: most runs need none.
func lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

const randomName = "what looks like a random name"

const (
	maildir = `/(?:tmp|new|cur)/$`

	clock = `(?:[01][0-9]|2[0-3])[._:h-]?[0-5][0-9](?:[._:m-]?[0-6][0-9])?`
	zone  = `(?:Z|[+-][0-9]{2}:?[0-9]{2})?`
)

// times are those of strftime(3) and RFC 3339. They come first, as a number in one is no
// other.
var times = sync.OnceValue(func() []generator {
	return []generator{
		// AtomicWriter of k8s.io/kubernetes/pkg/volume/util, by os.MkdirTemp of Go.
		row("a time", "", `^\.\.(?P<t>20[0-9]{2}_[0-9]{2}_[0-9]{2}_[0-9]{2}_[0-9]{2}_[0-9]{2})\.(?P<n>[0-9]+)$`, 0, nothing),
		// maildir(5) and proto/maildir.html of D. J. Bernstein: microseconds, process, how many it delivered, device and
		// inode; as src/local/maildir.c of Postfix has them; and what Dovecot adds of sizes.
		row("a time", maildir, `^(?P<t>[0-9]{10})\.M(?P<n>[0-9]+)P(?P<m>[0-9]+)(?:Q(?P<v>[0-9]+)|V(?P<x>[0-9a-fA-F]+)(?:I(?P<y>[0-9a-fA-F]+))?)?(?:[._].*)?$`, 0, nothing),
		row("a time", maildir, `^(?P<t>[0-9]{10})\.V(?P<x>[0-9a-f]+)I(?P<y>[0-9a-f]+)M(?P<n>[0-9]+)\..*$`, 0, nothing),
		row("the size of a message", maildir, `^\x00.*,S=(?P<n>[0-9]+)(?:,W=(?P<m>[0-9]+))?(?::2,[A-Za-z]*)?$`, 0, nothing),
		row("a time", "", `(?:^|[^0-9])(?P<t>(?:19|20)[0-9]{2}[._-]?(?:0[1-9]|1[0-2])[._-]?(?:0[1-9]|[12][0-9]|3[01])`+
			`(?:T`+clock+`(?:[._-][0-9]{3,9})?`+zone+`|[_.:-]?`+clock+zone+`)?)(?:[^0-9]|$)`, 0, made),
		row("a month", "", `[._-](?P<t>20[0-9]{2}[_-](?:0[1-9]|1[0-2]))(?:[._]|$)`, 0, made),
	}
})

// generators are the known ones, each with the source of its form; those that are told
// by more come first, as each takes the parts of a name that none before has taken.
// LIBC are the six letters of mkstemp(3) and mkdtemp(3): __gen_tempfd() in
// sysdeps/posix/tempname.c of glibc; musl's __randname() has letters alone. PY
// are the eight of _RandomNameSequence in Lib/tempfile.py of CPython.
var generators = sync.OnceValue(func() []generator {
	return []generator{
		// O_TMPFILE of open(2): d_mark_tmpfile() in fs/dcache.c of Linux.
		// Those of a tmpfs begin at 1: shmem_get_inode() in mm/shmem.c.
		row("the number of an inode, as a file without a name does", "", `^#(?P<n>[0-9]{3,})$`, 0, nothing),
		row("the number of an inode, as a file without a name does", "", `^#(?P<n>[0-9]{1,2})$`, 0, made),

		// IDs: RFC 9562, also with _ for - as in cgroups of pods (cgroup_manager_linux.go of
		// the kubelet); of containers (stringid.GenerateRandomID of moby), whose first 12
		// digits are the host's name in it, and the name of the network namespace.
		row("a UUID", "", `(?:^|[^0-9A-Za-z]|pod)(?P<q>[0-9A-Fa-f]{8}([_-])[0-9A-Fa-f]{4}[_-][0-9A-Fa-f]{4}[_-][0-9A-Fa-f]{4}[_-][0-9A-Fa-f]{12})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		row("a container ID", "", `(?:^|[^0-9A-Za-z])(?P<q>[0-9a-f]{64})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		row("a container ID", "", `(?:^|[^0-9A-Za-z])(?P<c>[0-9a-f]{12})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		row("a number of 128 bits", "", `(?:^|[^0-9A-Za-z])(?P<q>[0-9a-f]{32})(?:[^0-9A-Za-z]|$)`, 0, made), // sd_id128_t of systemd
		// ULID: 26 digits of Crockford's base 32, of Prometheus' blocks and others.
		row("a ULID", "", `(?:^|[^0-9A-Za-z])(?P<q>0[0-9][0-9A-HJKMNP-TV-Z]{24})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		// docker's and CNI's ends of a network: randomly named by libnetwork and plugins.
		row("a random number", `/(?:net|conf|neigh)/$`, `^veth(?P<h>[0-9a-f]{7,8})$`, 0, nothing),
		// devpts of Linux numbers them as they are opened.
		row("the number of a terminal", `^/dev/pts/$`, `^(?P<n>[0-9]+)$`, 0, nothing),
		// SafeEncodeString() and String() in k8s.io/apimachinery/pkg/util/rand.
		row("the name of a pod", "", `-(?P<q>[bcdfghjklmnpqrstvwxz2456789]{8,10})-(?P<r>[bcdfghjklmnpqrstvwxz2456789]{5})(?:[_.]|$)`, 0, nothing),
		// printf(3)'s %p; dotlock.c of GnuPG writes zeros before it.
		row("an address in memory", "", `(?:^|[^0-9A-Za-z]|lk)0x(?P<q>[0-9a-f]{16})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		row("an address in memory", "", `(?:^|[^0-9A-Za-z]|lk|isolate)0x(?P<x>[0-9a-f]{6,15})(?:[^0-9A-Za-z]|$)`, 0, nothing),
		row("the ID of a process", "", `\.#lk[0x\x00]*\.[^/]*\.(?P<n>[0-9]+)x?$`, 0, nothing), // dotlock.c of GnuPG

		// g10 and agent of GnuPG name keys by their digests.
		row("a digest", `/(?:private-keys-v1|openpgp-revocs)\.d/$`, `^(?P<q>[0-9A-F]{40})\.(?:key|rev)(?:\.tmp)?$`, 0, nothing),

		// mktemp(1) of coreutils and busybox.
		row("a name of mktemp", "", `^tmp\.(?P<r>[A-Za-z0-9]{6,12})END`, 0, nothing),
		// force_linkat() and force_symlinkat() in src/force-link.c of coreutils, which ln -f renames to what was there.
		row("a name of coreutils", "", `^Cu(?P<r>LIBC)$`, 1, made),
		// tmpfile(3) of glibc, where the file system knows no O_TMPFILE.
		row("a name of tmpfile", `/tmp/$`, `^tmpf(?P<r>LIBC)$`, 0, made),
		// Lib/tempfile.py and Lib/multiprocessing of CPython: util.py, synchronize.py,
		// connection.py, heap.py, shared_memory.py; _write_atomic() in importlib.
		row("a name of Python's tempfile", "", `^tmp(?P<r>PY)(?:SEP.*)?$`, 0, nothing),
		row("a name of Python's multiprocessing", "", `^(?:pymp|mp|sem\.mp|listener)-(?P<a>PY)$`, 0, nothing),
		row("a name of Python's multiprocessing", "", `^pym-(?:(?P<n>[0-9]+)|\x00+)-(?P<a>PY)$`, 0, nothing),
		row("a name of Python's multiprocessing", "", `^psm_(?P<h>[0-9a-f]{8})$`, 0, nothing),
		row("a name that Python gives to what it compiles", "", `\.pyc\.(?P<n>[0-9]{6,})$`, 0, nothing),
		// TempDirectory of pip, and what it unpacks beside; SafeFileCache of its cache.
		row("a name of pip", "", `^pip-(?:[a-z]+-)+(?P<a>PY)$`, 0, nothing),
		row("a digest", `/pip/http(?:-v2)?/(?:[0-9a-f]/){0,4}$`, `^(?P<h>[0-9a-f])$`, 0, nothing),
		row("a digest", `/pip/http(?:-v2)?/(?:[0-9a-f]/){5}$`, `^(?P<q>[0-9a-f]{56})(?:\.body)?$`, 0, nothing),
		// File::Temp's TEMPXXX of Perl: ten of A-Za-z0-9_; by its call it is known below.
		// ext/session/session.c and main/rfc1867.c of PHP.
		row("the ID of a PHP session", "", `^sess_(?P<a>[0-9A-Za-z,-]{22,256})$`, 0, nothing),
		row("a name of .NET", "", `^CASESENSITIVETEST(?P<q>[0-9a-f]{32})$`, 0, nothing), // PathInternal.CaseSensitivity.cs
		// tempnam() since PHP 8.4, main/php_open_temporary_file.c: 64 bits in base 32, and mkstemp(3).
		row("a name of PHP", "", `^[^/]*?(?P<r>[0-9a-v]{13}LIBC)$`, 3, scratch),
		row("a name of PHP", `^(?:/var)?/tmp/$`, `^php(?P<r>LIBC)$`, 0, made),
		// tempfile() and tempdir() of R.
		row("a name of R", "", `^Rtmp(?P<r>LIBC)$`, 0, nothing),
		row("a name of R", `/Rtmp[A-Za-z0-9]{6}/$`, `^file(?P<x>[0-9a-f]{8,14})END`, 0, nothing),
		// Driver of clang, by createUniquePath() of LLVM.
		row(randomName, `^(?:/var)?/tmp/$`, `-(?P<h>[0-9a-f]{6})\.(?:o|s|ii?|bc|cpp|sh)$`, 0, made),
		// ds-ipc-pal-socket.c and the debugger's twowaypipe.cpp of .NET: the process, and when it began.
		row("the ID of a process", "", `^(?:dotnet-diagnostic|clr-debug-pipe)-(?:(?P<n>[0-9]+)|\x00+)-(?P<m>[0-9]+)-(?:socket|in|out)$`, 0, nothing),
		// kv_catalog of MongoDB, for tables of WiredTiger.
		row("a random number", "", `^(?:collection|index)-(?P<n>[0-9]+)--?(?P<m>[0-9]{10,20})\.wt$`, 0, nothing),
		// os.MkdirTemp and os.CreateTemp of what containers are made with.
		row("a random number", "", `^(?:containerd-mount|buildkit-mount|docker-builder|GetImageBlob|runc-process)(?P<n>[0-9]+)$`, 0, nothing),
		// go build and os.MkdirTemp of Go; its cache, cmd/go/internal/cache.
		row("a random number", "", `^go-(?:build|link|tool-dist|test|run|vet)-?(?P<n>[0-9]{5,})$`, 0, nothing),
		row("a digest", `/go-build/$`, `^(?P<h>[0-9a-f]{2})$`, 0, nothing),
		// The JVM: os_linux.cpp and perfMemory_posix.cpp of OpenJDK; File.createTempFile and
		// TempFileHelper of its library, 64 bits as a number.
		row("the ID of a process", `/hsperfdata_[^/]+/$`, `^(?P<n>[0-9]+)$`, 0, nothing),
		row("the ID of a process", "", `(?:^hs_err_pid|^replay_pid|^\.java_pid|^\.attach_pid|^perf-)(?P<n>[0-9]+)(?:\.(?:log|map|tmp))?$`, 0, nothing),
		row("a random number", "", `(?:^|[A-Za-z._-])(?P<n>[0-9]{17,20})END`, 0, made),
		// unique-slug and cacache of npm, its logs have times.
		row("a name of npm", `/_cacache/tmp/$`, `^(?:git-clone-?)?(?P<h>[0-9a-f]{8})$`, 0, nothing),
		row("a digest", `/_cacache/(?:content-v2/sha(?:1|256|512)|index-v5)/(?:[0-9a-f]{2}/)?$`, `^(?P<h>[0-9a-f]{2})$`, 0, nothing),
		row("a digest", `/_cacache/(?:content-v2/sha(?:1|256|512)|index-v5)/(?:[0-9a-f]{2}/){2}$`, `^(?P<q>[0-9a-f]{30,124})$`, 0, nothing),
		row("a name of npm", "", `^npm-(?:(?P<n>[0-9]+)|\x00+)-(?P<h>[0-9a-f]{8})$`, 0, nothing),
		// Builder of the crate tempfile of Rust.
		row("a name of Rust's tempfile", "", `^\.tmp(?P<r>LIBC)END`, 0, nothing),
		// get_tmpname() in receiver.c of rsync.
		row("a name of rsync", "", `^\..+\.(?P<r>LIBC)$`, 1, made),
		row("a name of rsync", "", `^\..+\.(?P<a>[A-Z]{5}[0-9]|[A-Z]{4}[0-9]{2}|[A-Z]{3}[0-9]{3}|[A-Z][a-z]{4}[0-9]|[A-Z][a-z]{3}[0-9]{2})$`, 0, byCall), // which look like a word and a number
		// get_tmp_file() in gfileutils.c of GLib, of whose letters A-Z and digits are the first 36.
		row("a name of GLib", "", `[^/]\.[A-Za-z0-9_-]+\.(?P<r>[A-Z0-9]{6})$`, 1, made),
		// unixGetTempname() in os_unix.c of SQLite, 64 bits, formerly 15 letters; the super-journal of vdbeCommit().
		row("a name of SQLite", "", `^etilqs_(?P<x>[0-9a-f]{8,16})$`, 0, nothing),
		row("a name of SQLite", "", `^etilqs_(?P<a>[A-Za-z0-9]{15,16})$`, 0, nothing),
		row("a name of SQLite", "", `-mj(?P<q>[0-9A-F]{6}9[0-9A-F]{2})$`, 0, nothing),
		// PostgreSQL: OpenTemporaryFile() and FileSetPath() in fd.c and fileset.c, dsm_impl.c,
		// XLogFileName() in xlog_internal.h, GetRelationPath() in relpath.c.
		row("the ID of a process", "", `^pgsql_tmp(?:(?P<n>[0-9]+)|\x00+)\.(?P<m>[0-9]+)(?:\.(?:shared)?fileset)?$`, 0, nothing),
		row("a random number", `^(?:/dev/shm|.*/pg_dynshmem)/$`, `^(?:PostgreSQL|mmap)\.(?P<n>[0-9]+)$`, 0, nothing),
		row("the ID of a process", `/pg_wal/$`, `^xlogtemp\.(?P<n>[0-9]+)$`, 0, nothing),
		row("the number of a segment", `/pg_wal/(?:archive_status/)?$`, `^(?P<q>[0-9A-F]{24})(?:\.[a-z.]+)?$`, 0, nothing),
		row("the number of a table", `postgres.*/base/$|/pgdata/base/$`, `^(?P<n>[0-9]+)$`, 0, nothing),
		row("the number of a table", `(?:postgres.*|/pgdata)/base/[0-9]+/$`, `^(?:t(?P<m>[0-9]+)_)?(?P<n>[0-9]+)(?:_fsm|_vm|_init)?(?:\.[0-9]+)?$`, 0, nothing),
		// etcd: walName() in wal/util.go, and its snapshots.
		row("the number of a segment", `/(?:wal|snap)/$`, `^(?P<q>[0-9a-f]{16})-(?P<h>[0-9a-f]{16})\.(?:wal|snap)(?:\.[a-z]+)?$`, 0, nothing),
		// MySQL and MariaDB: tmp_file_prefix in sql_table.cc and sql_tmp_table.cc; innobase_mysql_tmpfile(), open_cached_file().
		row("a name of MySQL", "", `^#sql(?:-[a-z]+-|-|_)?(?:(?P<x>[0-9a-f]+)|\x00+)[-_](?P<y>[0-9a-f]+)(?:[-_](?P<z>[0-9a-f]+))?(?:[.#].*)?$`, 0, nothing),
		row("a name of MySQL", `^(?:/var)?/tmp/$|/tmpdir/$`, `^(?:ib|ML|MY)(?P<r>LIBC)$`, 1, made),
		// systemd: setup_one_tmp_dir() in namespace.c, tempfn_random() and tempfn_xxxxxx() in tmpfile-util.c, units of run.c.
		row("a name of systemd", "", `^systemd-private-(?:(?P<q>[0-9a-f]{32})|\x00+)-[^/]*-(?P<a>LIBC)$`, 0, nothing),
		row("a name of systemd", "", `^\.#.+?(?P<q>[0-9a-f]{16})$`, 2, nothing),
		row("a name of systemd", "", `^\.#.+?(?P<r>LIBC)$`, 1, made),
		row("a name of systemd", "", `^run-[up](?P<n>[0-9]+)(?:-i(?P<m>[0-9]+))?\.(?:service|scope|timer|socket|mount|slice)$`, 0, nothing),
		row("a name of systemd", "", `^run-r(?P<q>[0-9a-f]{32})\.(?:service|scope|timer|socket|mount|slice)$`, 0, nothing),
		// journald: journal_file_archive() and journal_file_dispose() in sd-journal/journal-file.c.
		row("the number of an entry", "", `@(?:\x00+-)?(?P<q>[0-9a-f]{16})-(?P<h>[0-9a-f]{16})\.journal~?$`, 0, nothing),
		// snapd: snap-confine's mount-support.c; revisions of snap/revision.go, of which x1 are local ones.
		row("a name of snapd", "", `^snap\.rootfs_(?P<a>LIBC)$`, 0, nothing),
		row("the revision of a snap", `^(?:/var)?/(?:lib/snapd/)?snap/[a-z0-9-]+/$|/snap/[a-z0-9-]+/$`, `^x?(?P<n>[0-9]+)$`, 0, nothing),
		// git: odb_mkstemp() in object-file.c, tmp-objdir.c, mktemp of diff.c and ll-merge.c, gc of builtin/repack.c; the folders of objects.
		row("a name of git", "", `^(?:tmp_(?:obj|pack|idx|rev|mtimes|graph|midx|bitmap)_|(?:tmp_objdir-)?incoming-|bulk-fsync-|\.merge_file_|sharedindex_|git-blob-)(?P<a>LIBC)$`, 0, nothing),
		row("a name of git", `\.git/(?:worktrees/[^/]+/)?$`, `^t(?P<a>LIBC)$`, 0, nothing), // create_default_files() in setup.c
		row("a name of git", `/objects/(?:pack/)?$`, `^\.?tmp-(?:(?P<n>[0-9]+)|\x00+)-pack(?:-(?P<q>[0-9a-f]{40}))?(?:\.[a-z]+)?$`, 0, nothing),
		row("a name of git", `/(?:objects/)?info/$`, `^(?:refs|packs)_(?P<a>LIBC)$`, 0, nothing), // server-info.c
		row("a digest", `\.git/objects/$|/git/.*/objects/$`, `^(?P<h>[0-9a-f]{2})$`, 0, nothing),
		row("a digest", `/objects/[0-9a-f]{2}/$`, `^(?P<q>[0-9a-f]{38}|[0-9a-f]{62})$`, 0, nothing),
		row("a digest", `/objects/pack/$`, `^pack-(?P<q>[0-9a-f]{40})\.[a-z]+(?:\.\x00+)?$`, 0, nothing),
		// apt: GetTempFile() and MkdTemp() in apt-pkg/contrib/fileutl.cc, apt-key; dpkg: updates/ of lib/dpkg/dbmodify.c.
		row("a name of apt", `^(?:/var)?/(?:tmp|cache/apt)/$`, `^(?:apt\.[a-z]+|apt-dpkg-install|apt-key-gpghome|apt-[a-z-]+|fileutl\.message|pkgcache\.bin|srcpkgcache\.bin|[a-z0-9.+-]+\.(?:config|template))[.-](?P<r>[A-Za-z0-9]{6}|[A-Za-z0-9]{10})$`, 0, nothing),
		row("the number of an update", `/dpkg/updates/$`, `^(?P<t>[0-9]{4})$`, 0, nothing),
		row("a name of dpkg", `^(?:/var)?/tmp/$`, `^dpkg(?:-deb)?\.(?P<r>LIBC)$`, 0, nothing),
		// OpenSSH's ssh-agent.c, D-Bus's dbus-sysdeps-unix.c, redis' rdb.c and aof.c, nginx' ngx_create_hashed_filename(),
		// nfs_sillyrename() and fuse's hidden_name(), overlay2 of moby.
		row("a name of ssh-agent", `/$`, `^ssh-(?P<r>[A-Za-z0-9]{10}|[A-Za-z0-9]{12})$`, 0, nothing),
		row("the ID of a process", `/ssh-[^/]+/$`, `^agent\.(?P<n>[0-9]+)$`, 0, nothing),
		row("a name of D-Bus", "", `^dbus-(?P<r>[A-Za-z0-9]{8}|[A-Za-z0-9]{10})$`, 1, made),
		row("the ID of a process", "", `^temp-(?:rewriteaof-(?:bg-)?)?(?P<n>[0-9]+)\.(?:rdb|aof)$`, 0, nothing),
		row("the number of a segment", "", `\.(?P<n>[0-9]+)\.(?:base\.(?:rdb|aof)|incr\.aof)$`, 0, nothing),
		row("a number", `(?:_temp|/nginx/(?:body|proxy|fastcgi|scgi|uwsgi))/(?:[0-9]+/)*$`, `^(?P<t>[0-9]|[0-9]{2}|[0-9]{10})$`, 0, made),
		row("the number of an inode", "", `^\.nfs(?P<q>[0-9a-f]{16,24})$`, 0, nothing),
		row("a random number", "", `^\.fuse_hidden(?P<q>[0-9a-f]{16})$`, 0, nothing),
		row("a name of Docker", `/overlay2/l/$`, `^(?P<q>[A-Z2-7]{26})$`, 0, nothing),

		// Postfix's queues: mail_queue_enter() in global/mail_queue.c, file_id.c. CUPS: cupsTempFd()
		// of cups/tempfile.c. at: run_file() of at.c. Firefox: SharedMemory_posix.cpp.
		row("the ID of a process", `/postfix/[a-z]+/$`, `^(?P<n>[0-9]+)\.(?:(?P<m>[0-9]+)|\x00+)$`, 0, nothing),
		row("the number of a message", `/postfix/(?:incoming|active|deferred|defer|bounce|hold|corrupt|maildrop)/(?:[0-9A-F]/)*$`, `^(?P<q>[0-9A-F]{8,13})$`, 0, nothing),
		row("the number of a job", `/spool/cups/$`, `^[cd](?P<n>[0-9]{5,})(?:-(?P<m>[0-9]{3}))?(?:\.[NO])?$`, 0, nothing), // scheduler/job.c
		// Exim's IDs, "Message identification" in its specification; those of 4.97 and later are longer.
		row("the ID of a message", `/(?:input|msglog)/(?:[0-9A-Za-z]/)?$`, `^(?:hdr\.)?(?P<q>[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}))(?:-[A-Z])?$`, 0, nothing),
		row(randomName, `/cups/tmp/$`, `^(?P<x>[0-9a-f]{13,15})$`, 0, nothing),
		row("the number of a job", `/cron/at(?:jobs|spool)/$`, `^[a=](?P<q>[0-9a-f]{13})$`, 0, nothing),
		row("the ID of a process", `^/dev/shm/$`, `^org\.mozilla\.ipc\.(?:(?P<n>[0-9]+)|\x00+)\.(?P<m>[0-9]+)$`, 0, nothing),

		// mkstemp(3) of sed, sort, PHP and the compilers, and __sem_open() in sem_open.c of glibc.
		row(randomName, "", `^(?:sed|sort|php|cc)(?P<r>LIBC)END`, 1, made),
		row(randomName, `^/dev/shm/$`, `^sem\.(?P<r>LIBC)$`, 1, made),

		// What is known by the call, by the folder, or by its letters alone, whoever makes it.
		// Where a name may end with six letters by chance or with eight, eight cover both.
		row(randomName, "", `^[a-z]{2,}_(?P<r>LIBC)END`, 1, byCall),
		row(randomName, "", `^(?P<r>[a-z0-9_]{8}|[A-Za-z0-9_]{10})END`, 2, scratch),
		row(randomName, "", `SEP(?P<r>PY)END`, 1, byCall),
		row(randomName, "", `^LEAD(?P<r>PY)END`, 2, byCall),
		row(randomName, "", `^LEAD(?P<r>LIBC)END`, 1, byCall),
		// @CHARS of File::Temp: one name in eleven has a _ among its six.
		row(randomName, "", `(?:^LEAD|SEP)(?P<r>[A-Za-z0-9_]{6})END`, 1, byCall),
		row(randomName, "", `(?:^LEAD|SEP)(?P<p>[A-Za-z0-9_]{6})END`, 0, byCall),
		row(randomName, "", `SEP(?P<r>[A-Za-z0-9]{6,16})END`, 1, byCall),
		row(randomName, `^/dev/shm/$|/te?mp/$`, `SEP(?P<a>`+mixed+`)END`, 0, byCall),
		row(randomName, "", `SEP(?P<a>[A-Z][0-9]{5}|[A-Z][A-Za-z][0-9]{4}|[A-Z][A-Za-z]{2}[0-9]{3})END`, 0, byCall), // no word, though a number may stand behind one
		row(randomName, "", `SEP(?P<r>[A-Za-z0-9]{3,5})END`, 2, byCall),
		row(randomName, "", `^(?P<r>[A-Za-z0-9_]{6,16})END`, 2, byCall),
		row("a random number", "", `(?P<n>[0-9]{6,20})END`, 0, byCall),
		row("a random number", "", `(?:SEP|^|[a-z])(?P<n>[0-9]{8,10})END`, 0, scratch),
		row("a time", "", `(?:^|SEP)(?P<t>1[4-9][0-9]{8}(?:[0-9]{3}|[0-9]{6}|[0-9]{9})?)(?:\.(?P<n>[0-9]{5,9}))?(?:[^0-9A-Za-z]|$)`, 0, made), // time(2), clock_gettime(2)
		row(randomName, "", `SEP(?P<r>[A-Za-z0-9]{6,16})END`, 2, scratch),
		row(randomName, "", `SEP(?P<r>[A-Za-z0-9]{6,})(?:SEP|$)`, 3, made),

		row(randomName, "", `[.-](?P<w>[A-Za-z0-9]*[A-Z][A-Za-z0-9]*[0-9a-z][A-Za-z0-9]*)$`, 0, never),
		row("a version", "", `[a-z.-](?P<v>[0-9]+(?:\.[0-9]+)+)(?:$|[.-])`, 0, never),
	}
})

// sureGenerators are those of generators that leave no doubt.
var sureGenerators = sync.OnceValue(func() []generator {
	return slices.DeleteFunc(slices.Clone(generators()), func(g generator) bool { return !g.sure })
})
