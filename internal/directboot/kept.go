package directboot

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
)

// given are the files with which the descriptors of the sockets begin, and the state of each.
type given struct {
	files []*os.File // nil: the socket is made anew
	from  []bootlist.Origin
}

// given assigns passed sockets to the sockets of a configuration. Sockets of the generation before serve on,
// if their user is the same and their paths lead to them. Other paths get new ones. ok is false when one of
// the generation before is left: the vassal program gives it up.
func (l listening) given(kept, unbound []*os.File, uid uint32, umask int) (g given, ok bool) {
	how, err := l.options()
	if err != nil {
		return g, false
	}
	used := 0
	for _, s := range l.list {
		i := slices.IndexFunc(kept, func(f *os.File) bool { return boundTo(f, s.Address) })
		switch {
		case i >= 0:
			if i+1 == len(kept) || !resumes(kept[i], kept[i+1], s.Address, how, uid, umask) {
				return g, false
			}
			used += 2
			g.files, g.from = append(g.files, kept[i]), append(g.from, bootlist.Bound)
		case len(unbound) > 0 && address.InFiles(s.Address):
			g.files, g.from = append(g.files, unbound[0]), append(g.from, bootlist.Unbound)
			unbound = unbound[1:]
		default:
			g.files, g.from = append(g.files, nil), append(g.from, bootlist.Anew)
		}
	}
	return g, used == len(kept)
}

// boundTo reports whether a file is a unix socket at a path, as written.
func boundTo(f *os.File, path string) bool {
	at, err := unix.Getsockname(int(f.Fd()))
	u, ok := at.(*unix.SockaddrUnix)
	return err == nil && ok && u.Name == path
}

// resumes reports whether the vassal can go on with a kept socket. Its user was the last one to listen on it.
// The path, which is the same here and inside, leads to the file of the socket, with the owner and the mode of
// a new one.
func resumes(socket, file *os.File, path string, how address.Options, uid uint32, umask int) bool {
	if !address.ListenedBy(int(socket.Fd()), uid) || !filepath.IsAbs(path) {
		return false
	}
	its, err := address.FileAt(int(file.Fd()))
	var st unix.Stat_t
	if err != nil || !its.Is(path) || unix.Fstat(int(file.Fd()), &st) != nil {
		return false
	}
	fresh := how.Mode != nil || umask < 0 || fs.FileMode(st.Mode).Perm() == fs.ModePerm&^fs.FileMode(umask)
	return fresh && (how.UID >= 0 || st.Uid == uid)
}
