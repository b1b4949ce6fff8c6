package webserver

import (
	"bufio"
	"os"
	"path"
	"strings"
	"sync"
)

// common are the types that a web page needs. They take precedence over the system's database,
// so that most servers need not read one.
var common = []string{
	".avif image/avif", ".css text/css; charset=utf-8", ".csv text/csv; charset=utf-8", ".gif image/gif", ".gz application/gzip",
	".htm text/html; charset=utf-8", ".html text/html; charset=utf-8", ".ico image/x-icon", ".jpeg image/jpeg", ".jpg image/jpeg",
	".js text/javascript; charset=utf-8", ".json application/json", ".md text/markdown; charset=utf-8", ".mjs text/javascript; charset=utf-8",
	".mp3 audio/mpeg", ".mp4 video/mp4", ".otf font/otf", ".pdf application/pdf", ".png image/png", ".svg image/svg+xml",
	".svgz image/svg+xml", ".ttf font/ttf", ".txt text/plain; charset=utf-8", ".wasm application/wasm", ".webm video/webm",
	".webmanifest application/manifest+json", ".webp image/webp", ".woff font/woff", ".woff2 font/woff2",
	".xml text/xml; charset=utf-8", ".zip application/zip",
}

// maxKnown limits the number of remembered extensions: clients choose them.
const maxKnown = 256

// types finds the type of a file by its extension. The databases are searched when an
// extension is first requested and are never held in memory.
type types struct {
	files []string
	mu    sync.Mutex
	known map[string][]string
}

func newTypes(files []string) *types { return &types{files: files} }

// of returns the type as the value of a header, which must not be changed; nil: there is none.
func (t *types) of(name string) []string {
	ext := strings.ToLower(path.Ext(name))
	if ext == "" || ext == "." {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kind, ok := t.known[ext]
	if ok {
		return kind
	}
	if found := t.search(ext); found != "" {
		kind = []string{found}
	}
	if t.known == nil || len(t.known) >= maxKnown {
		t.known = map[string][]string{}
	}
	t.known[ext] = kind
	return kind
}

// search looks in the operator's files, then in the built-in table, then in the system's
// database.
func (t *types) search(ext string) string {
	for _, f := range t.files {
		if kind := searchFile(f, ext); kind != "" {
			return kind
		}
	}
	for _, line := range common {
		if kind, ok := strings.CutPrefix(line, ext+" "); ok {
			return kind
		}
	}
	return searchFile("/etc/mime.types", ext)
}

// searchFile reads lines of `type extension extension…`.
func searchFile(name, ext string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(line)
		for i, word := range words {
			if i > 0 && "."+strings.ToLower(word) == ext {
				return words[0]
			}
		}
	}
	return ""
}
