package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Static serves the files below Dir under the path Mount.
type Static struct{ Mount, Dir string }

// ParseStatic reads /mount=dir.
func ParseStatic(s string) (Static, error) {
	mount, dir, ok := strings.Cut(s, "=")
	if !ok || !strings.HasPrefix(mount, "/") || dir == "" {
		return Static{}, fmt.Errorf("cannot use static map %q: not /mount=dir", s)
	}
	return Static{Mount: mount, Dir: dir}, nil
}

// types are those that a web page needs and that a system without a database of
// types does not know.
var types = map[string]string{
	".avif": "image/avif", ".csv": "text/csv; charset=utf-8", ".ico": "image/x-icon", ".md": "text/markdown; charset=utf-8",
	".mp4": "video/mp4", ".otf": "font/otf", ".svgz": "image/svg+xml", ".ttf": "font/ttf", ".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json", ".woff": "font/woff", ".woff2": "font/woff2", ".zip": "application/zip",
}

// static is the handler. A directory is opened once; nothing outside it can be
// reached, by dots or by links (os.Root).
type static struct{ mounts []mount }

type mount struct {
	prefix string // ends without a slash
	root   *os.Root
}

func newStatic(maps []Static) (*static, error) {
	s := &static{}
	for _, m := range maps {
		root, err := os.OpenRoot(m.Dir)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("cannot serve %s: %w", m.Mount, err)
		}
		s.mounts = append(s.mounts, mount{strings.TrimRight(m.Mount, "/"), root})
	}
	slices.SortStableFunc(s.mounts, func(a, b mount) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return s, nil
}

func (s *static) close() {
	for _, m := range s.mounts {
		m.root.Close()
	}
}

// ServeHTTP answers with the file of the longest mount that fits, or with
// index.html of a directory. Directories are not listed.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	clean := path.Clean("/" + r.URL.Path)
	for _, m := range s.mounts {
		if rest, ok := strings.CutPrefix(clean, m.prefix); ok && (rest == "" || rest[0] == '/') {
			m.serve(w, r, strings.TrimPrefix(rest, "/"))
			return
		}
	}
	http.NotFound(w, r)
}

func (m mount) serve(w http.ResponseWriter, r *http.Request, name string) {
	slash := strings.HasSuffix(r.URL.Path, "/")
	f, info, err := m.open(cmp.Or(name, "."))
	if err == nil && info.IsDir() {
		f.Close()
		if !slash {
			to := r.URL.JoinPath("/") // keeps the query, and never leaves the host
			http.Redirect(w, r, to.RequestURI(), http.StatusMovedPermanently)
			return
		}
		f, info, err = m.open(path.Join(name, "index.html"))
	} else if err == nil && slash {
		f.Close()
		err = fs.ErrNotExist
	}
	if err != nil {
		fail(w, err)
		return
	}
	defer f.Close()
	if !info.Mode().IsRegular() {
		fail(w, fs.ErrNotExist)
		return
	}
	if kind := typeOf(info.Name()); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, info.Name(), info.ModTime(), f)
}

// open opens without waiting for the other end of a FIFO.
func (m mount) open(name string) (*os.File, fs.FileInfo, error) {
	f, err := m.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
	}
	return f, info, err
}

func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if kind := mime.TypeByExtension(ext); kind != "" {
		return kind
	}
	return types[ext]
}

// fail tells a client no more than it may know: what cannot be reached is not
// there.
func fail(w http.ResponseWriter, err error) {
	if errors.Is(err, fs.ErrPermission) {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	http.Error(w, "404 page not found", http.StatusNotFound)
}
