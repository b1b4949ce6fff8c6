package webserver

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// files are the maps of paths to files, in the order in which they are tried.
type files struct {
	maps    []fileMap
	safe    []*directory
	index   []string
	skip    []string
	expires []expiry
	zip     zip
	types   *types
	small   *smallFiles
}

// fileMap looks up paths under a mount in a directory.
type fileMap struct {
	mount string // without a slash at the end
	whole bool   // the mount is part of the path in the directory
	tree  *laterTree
}

// newFiles opens the directories. Where something else answers as well, one that does not
// exist yet is opened by the first request after it does, as in uWSGI.
func newFiles(o *serving.Options, log *slog.Logger) (f files, err error) {
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	f.index, f.skip = o.StaticIndex, o.StaticSkipExt
	if len(f.index) == 0 {
		f.index = []string{"index.html"}
	}
	if f.expires, err = newExpiries(o.Expires); err != nil {
		return f, err
	}
	if f.zip, err = newZip(o.Gzip); err != nil {
		return f, err
	}
	f.types, f.small = newTypes(o.MimeFiles), &smallFiles{}
	for _, name := range o.StaticSafe {
		d, err := openDirectory(name, nil)
		if err != nil {
			return f, wrap("static-safe", name, err)
		}
		f.safe = append(f.safe, d)
	}
	var maps []serving.Map
	for _, dir := range o.CheckStatic {
		maps = append(maps, serving.Map{Mount: "/", Dir: dir})
	}
	maps = append(maps, o.StaticMaps...)
	slices.SortStableFunc(maps, func(a, b serving.Map) int { return cmp.Compare(number(a.Whole), number(b.Whole)) })
	alone := len(o.CGI)+len(o.HTTPTo)+len(o.Routes)+len(o.Behind) == 0
	for _, m := range maps {
		t := &laterTree{name: m.Dir, safe: f.safe}
		switch err := t.open(); {
		case errors.Is(err, fs.ErrNotExist) && !alone:
			log.Warn(o.Blame(m.Dir, fmt.Errorf("the static directory %q does not exist yet", m.Dir)).Error())
		case err != nil:
			return f, wrap("static directory", m.Dir, err)
		}
		f.maps = append(f.maps, fileMap{strings.TrimRight(m.Mount, "/"), m.Whole, t})
	}
	return f, nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f *files) close() {
	for _, m := range f.maps {
		m.tree.close()
	}
	for _, d := range f.safe {
		d.close()
	}
}

// serve answers with the first file that exists. It returns false when there is none.
func (f *files) serve(x *exchange) bool {
	for _, m := range f.maps {
		rest, ok := below(x.path, m.mount)
		if !ok {
			continue
		}
		if m.whole {
			rest = strings.Trim(x.path, "/")
		}
		if d := m.tree.get(); d != nil && f.serveFrom(x, d, rest) {
			return true
		}
	}
	return false
}

// serveFrom answers with a file, or with the index of a directory.
func (f *files) serveFrom(x *exchange, d *directory, name string) bool {
	if f.skipped(name) {
		return false
	}
	file, err := d.open(name)
	if err != nil {
		return refused(x, err)
	}
	slash := strings.HasSuffix(x.path, "/")
	if file.isDir() {
		file.close()
		found := ""
		if file, found, err = f.openIndex(d, name); err != nil {
			return refused(x, err)
		}
		if !slash {
			file.close()
			to := *x.r.URL
			to.Scheme, to.Host, to.Path, to.RawPath = "", "", x.path+"/", "" // keeps the query, and never leaves the host
			http.Redirect(x, x.r, to.String(), http.StatusMovedPermanently)
			return true
		}
		name = found
	} else if slash && name != "" {
		file.close()
		return false
	}
	if !file.isRegular() {
		file.close()
		return false
	}
	f.send(x, d, name, file)
	return true
}

// refused answers when a file exists and access is denied; any other error counts as a missing
// file.
func refused(x *exchange, err error) bool {
	if !errors.Is(err, fs.ErrPermission) {
		return false
	}
	x.refuse(http.StatusForbidden)
	return true
}

func (f *files) skipped(name string) bool {
	return slices.ContainsFunc(f.skip, func(end string) bool { return strings.HasSuffix(name, end) })
}

func (f *files) openIndex(d *directory, name string) (opened, string, error) {
	for _, index := range f.index {
		full := path.Join(name, index)
		file, err := d.open(full)
		if err != nil {
			continue
		}
		if file.isRegular() && !f.skipped(full) {
			return file, full, nil
		}
		file.close()
	}
	return opened{}, "", fs.ErrNotExist
}

// Values of headers that all answers share. No value of a header is changed in place.
var (
	nosniff = []string{"nosniff"}
	inBytes = []string{"bytes"}
)

// send sends a file, or its compressed variant, and closes it.
func (f *files) send(x *exchange, d *directory, name string, file opened) {
	defer func() { file.close() }()
	if name == "" {
		name = d.file
	}
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.Header().Set("Allow", "GET, HEAD")
		x.refuse(http.StatusMethodNotAllowed)
		return
	}
	content, err := f.small.of(&file)
	if err != nil {
		x.refuse(http.StatusInternalServerError)
		return
	}
	h, kind := x.Header(), f.types.of(name)
	if kind == nil {
		kind = content.kind
	}
	h["Content-Type"], h["X-Content-Type-Options"] = kind, nosniff
	real := ""
	if len(f.expires) > 0 || f.zip.some() {
		real = path.Join(d.path, name)
	}
	if at, ok := f.expire(x, real, kind[0], &file); ok {
		h.Set("Expires", at.UTC().Format(http.TimeFormat))
	}
	if f.zip.wants(real) {
		h.Add("Vary", "Accept-Encoding")
		if twin, ok := f.twin(x, d, name+".gz"); ok {
			h.Set("Content-Encoding", "gzip")
			file.close()
			file = twin
			if content, err = f.small.of(&file); err != nil {
				x.refuse(http.StatusInternalServerError)
				return
			}
		}
	}
	content.send(x, &file)
}

// twin opens the compressed variant of a file, if the client accepts it.
func (f *files) twin(x *exchange, d *directory, name string) (opened, bool) {
	if !acceptsGzip(x.r) {
		return opened{}, false
	}
	twin, err := d.open(name)
	if err != nil {
		return opened{}, false
	}
	if !twin.isRegular() {
		twin.close()
		return opened{}, false
	}
	return twin, true
}

// withoutOddRange removes a range that is not in bytes: it must be ignored (RFC 9110, section
// 14.2), which net/http does not do.
func withoutOddRange(r *http.Request) *http.Request {
	if text := r.Header.Get("Range"); text == "" || strings.HasPrefix(text, "bytes=") {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	return r
}
