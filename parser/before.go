package parser

import "strings"

// oldOperations are what kernels before AppArmor was upstream (Linux 2.6.36; Ubuntu 7.10 to 10.04)
// call operations, which were then named for the hooks of the security modules.
var oldOperations = map[string]string{
	"inode_permission": "open", "inode_create": "mknod", "inode_mknod": "mknod", "inode_mkdir": "mkdir", "inode_rmdir": "rmdir",
	"inode_unlink": "unlink", "inode_link": "link", "inode_symlink": "symlink", "inode_rename": "rename_src", "inode_setattr": "setattr",
	"inode_getattr": "getattr", "file_permission": "file_perm", "socket_create": "create",
}

// modernise puts what a record of types 1501 to 1507 says into the words of later kernels, in its fields, too.
// Their masks have two parts, for files of the task's user and for others', as in "rw::" and "::r"; their
// capability is the name.
func (a *AppArmor) modernise(r *Record, box *appArmorBox) {
	if now := oldOperations[a.Operation]; now != "" {
		a.Operation = now
	}
	if a.Namespace == "default" {
		a.Namespace = ""
	}
	if a.Operation == "capable" && a.CapName == "" {
		a.CapName, a.Name = a.Name, ""
	}
	own, others, hasParts := strings.Cut(a.Requested, "::")
	if hasParts && own != "" && others == "" && a.FSUID != nil && a.OUID == nil {
		box.ouid = *a.FSUID
		a.OUID = &box.ouid
	}
	a.Requested, a.Denied = strings.Replace(a.Requested, "::", "", 1), strings.Replace(a.Denied, "::", "", 1)
	for i := range r.Fields {
		switch f := &r.Fields[i]; f.Key {
		case "operation":
			f.Value = a.Operation
		case "requested_mask":
			f.Value = a.Requested
		case "denied_mask":
			f.Value = a.Denied
		}
	}
}
