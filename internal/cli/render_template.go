package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// renderedVassal is a vassal in a template. Its texts have only characters that are plain in the
// configuration of any program.
type renderedVassal struct {
	Name, Host        string
	State             string
	Running, Wanted   bool
	Address, Address6 string
	Published         []string
	UID               uint32
	Attributes        map[string]string
}

// renderedVassals returns the vassals for a template, by name, and a text about each one that is left out.
// A tenant chooses the name of a file: in the configuration of another program it must not be more than a name.
func renderedVassals(all []control.Vassal) (list []renderedVassal, odd []string) {
	for _, v := range all {
		ext := filepath.Ext(v.Name)
		r := renderedVassal{
			Name: v.Name, Host: strings.TrimSuffix(v.Name, ext), State: string(v.State), UID: v.UID, Attributes: v.Attributes,
			Running: v.State == emperor.Running || v.State == emperor.Reloading, Wanted: v.Desired == emperor.Run,
		}
		if v.Network != nil {
			r.Published = v.Network.Published
			for _, a := range v.Network.Addresses {
				if a.Is4() {
					r.Address = a.String()
				} else {
					r.Address6 = a.String()
				}
			}
		}
		texts := slices.Concat([]string{v.Name}, slices.Collect(maps.Keys(v.Attributes)), slices.Collect(maps.Values(v.Attributes)))
		if i := slices.IndexFunc(texts, func(text string) bool { return !isPlain(text) }); i >= 0 {
			odd = append(odd, fmt.Sprintf("%s is left out: %q has other characters than letters, digits and ._:/@-", readable.Clean(v.Name), texts[i]))
			continue
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b renderedVassal) int { return cmp.Compare(a.Name, b.Name) })
	return list, odd
}

// isPlain reports whether a text has only characters without a meaning in configurations.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:/@-", r)
	})
}

// renderTemplate fills a template. A key that it misspells is an error.
func renderTemplate(path string, vassals []renderedVassal) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := template.New(filepath.Base(path)).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct{ Vassals []renderedVassal }{vassals})
	return b.Bytes(), err
}
