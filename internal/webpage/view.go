package webpage

import (
	"bytes"
	"embed"
	"encoding/hex"
	"hash/fnv"
	"html/template"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/internal/version"
)

//go:embed templates
var templateFiles embed.FS

//go:embed static
var assets embed.FS

// templates are parsed for the first page: other starts of the program do not pay for them.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/*.html"))
})

var functions = template.FuncMap{
	"age":   func(t time.Time) string { return readable.Age(t, time.Now()) },
	"ago":   func(t time.Time) string { return ago(t, time.Now()) },
	"clock": func(t time.Time) string { return t.Local().Format(time.TimeOnly) },
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"full":  func(t time.Time) string { return t.Local().Format(time.DateTime) },
	"took":  took,
	"dot":   func(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) },
	"size":  readable.Size,
	"clean": readable.Clean,
	"build": func() string { return build() },
}

// build identifies the program with its pages: a page of another one is loaded again.
var build = sync.OnceValue(func() string {
	sum := fnv.New64a()
	for _, root := range []fs.FS{templateFiles, assets} {
		_ = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(root, path)
			_, _ = sum.Write(text)
			return err
		})
	}
	_, _ = sum.Write([]byte(version.Number + version.Commit()))
	return hex.EncodeToString(sum.Sum(nil))
})

// part is a piece of a page that changes as a whole. Its template makes one element, whose id is ID.
type part struct {
	ID       string
	Template string
	Data     any
}

// html returns the text of the part.
func (p part) html() (template.HTML, error) {
	if r, ok := p.Data.(row); ok && r.texts != nil {
		return r.texts.of(r, p.render)
	}
	return p.render()
}

func (p part) render() (template.HTML, error) {
	var b strings.Builder
	err := templates().ExecuteTemplate(&b, p.Template, p.Data)
	return template.HTML(b.String()), err //nolint:gosec // a template has escaped it
}

// view is a page at one moment.
type view struct {
	// Kind is the template of the page, and Title of its window.
	Kind, Title string
	// Up leads from the page's path to the site's root, and Live from there to its updates.
	Up, Live string
	// Fixed data of the page, which do not change while it is open.
	Fixed any
	// Parts are the changing pieces, and Lists the elements with any number of pieces in order. Keys
	// are ids.
	Parts map[string]part
	Lists map[string][]part
}

// Part renders a piece, for the template of the page.
func (v view) Part(id string) (template.HTML, error) { return v.Parts[id].html() }

// List renders all pieces of a list.
func (v view) List(id string) (template.HTML, error) {
	var b strings.Builder
	for _, p := range v.Lists[id] {
		text, err := p.html()
		if err != nil {
			return "", err
		}
		b.WriteString(string(text))
	}
	return template.HTML(b.String()), nil //nolint:gosec // a template has escaped it
}

// html renders the whole page.
func (v view) html() ([]byte, error) {
	var b bytes.Buffer
	err := templates().ExecuteTemplate(&b, "page", v)
	return b.Bytes(), err
}

// idOf makes the id of an element from any text.
func idOf(prefix, text string) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text))
	return prefix + strconv.FormatUint(sum.Sum64(), 36)
}

// took formats the duration of a hook or a launch, in seconds.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(seconds, 'f', 2, 64) + " s"
	case d >= time.Millisecond || d == 0:
		return strconv.FormatFloat(seconds*1e3, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(seconds*1e6, 'f', 0, 64) + " µs"
}

// ago is the time since a moment, or until one.
func ago(t, now time.Time) string {
	if t.After(now) {
		return "in " + readable.Age(now, t)
	}
	return readable.Age(t, now) + " ago"
}
