package config

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/generated"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// TestUWSGINamesOfOurs: a row with a name of uWSGI's takes a value if uWSGI's option does;
// otherwise command lines would have another meaning here.
func TestUWSGINamesOfOurs(t *testing.T) {
	same := func(name string, ours uwsginames.Shape) {
		if theirs, known := uwsginames.Lookup(name); known && theirs != ours {
			t.Errorf("%s: uWSGI's is of shape %q, ours of %q", name, theirs, ours)
		}
	}
	for o := range emperorOptions.all {
		same(o.Name, shapeOf(o))
	}
	for o := range vassalOptions.all {
		same(o.Name, shapeOf(o))
	}
}

func TestNearest(t *testing.T) {
	for key, want := range map[string]string{
		"proesses": "processes", "process": "processes", "chomd-socket": "chmod-socket", "single-intepreter": "single-interpreter",
		"no-orphan": "no-orphans", "htpp-socket": "http-socket", "gdi": "gid", "pid": "", "url": "", "thread": "threads", "vaccum": "vacuum",
		"domain": "", "project": "", "xy": "", "wholly-different": "", strings.Repeat("x", 5000): "",
	} {
		got := similar(key, uwsginames.All)
		if want == "" && got != nil || want != "" && !slices.Contains(got, want) {
			t.Errorf("nearest(%.20q) = %q, want %q", key, got, want)
		}
	}
}

// TestEmperorNamesDocumentIsCurrent keeps the list of the emperor's options.
func TestEmperorNamesDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "emperor_names.txt", func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(slices.SortedFunc(emperorOptions.names, uwsginames.Compare), "\n")+"\n")
		return err
	})
}
