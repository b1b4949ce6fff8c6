package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
)

// errExposed ends a command with exit status 1: a vassal is more exposed than --max allows.
var errExposed = fmt.Errorf("a vassal is more exposed than --max: %w", errMistakes)

// printSecurity prints the facts of each vassal. With max above zero it returns errExposed when the exposure
// of one is higher.
func printSecurity(out io.Writer, list []inspect.SecuritySubject, asJSON bool, most float64) error {
	exposed := false
	for _, s := range list {
		exposed = exposed || most > 0 && s.Exposure > most
	}
	if asJSON {
		if list == nil {
			list = []inspect.SecuritySubject{} // never null
		}
		if err := printJSON(out, list); err != nil {
			return err
		}
	} else {
		for _, s := range list {
			if _, err := io.WriteString(out, s.Text()); err != nil {
				return err
			}
		}
	}
	if exposed {
		return errExposed
	}
	return nil
}

// security prints the facts of all checked vassals. Mistakes in a file come first.
func (k *checker) security(out, summary io.Writer, asJSON bool, most float64) error {
	for _, f := range k.found {
		if f.Severity == inspect.Error {
			return k.print(summary, summary, false)
		}
	}
	list := k.running
	for _, s := range k.vassals {
		list = append(list, inspect.NewSecuritySubject(filepath.Base(s.File), inspect.Security(s, k.vassals)))
	}
	return printSecurity(out, list, asJSON, most)
}

// isName reports whether an argument can only be the name of a vassal: there is no such file.
func isName(arg string) bool {
	_, err := os.Lstat(arg)
	return errors.Is(err, os.ErrNotExist) && !strings.Contains(arg, "/")
}

// named examines a vassal by its name: its process, if the running emperor has one, and its file.
func (k *checker) named(ctx context.Context, name string) error {
	o := &operator{dir: askedRuntimeDir()}
	e := k.emperor
	if e == nil {
		e = hosts()
	}
	var s control.Status
	err := o.get(ctx, of(name, ""), &s)
	if err != nil && !errors.Is(err, control.ErrNoEmperor) {
		return coded(err)
	}
	path := s.Path
	var file string // in a directory of the emperor
	if e != nil {
		own := monitored(e)
		if at := slices.IndexFunc(own, func(f located) bool { return f.selected(name) }); at >= 0 {
			file = own[at].Path
		}
	}
	switch {
	case file != "" && (path == "" || sameFile(path, file)):
		path = file
	case path == "":
		return fmt.Errorf("cannot check %q: no file, and no vassal of a running emperor or of --ini FILE", name)
	default:
		e = nil // its emperor has other options
	}
	if s.PID == 0 {
		before := k.emperor
		k.emperor = e
		err := k.check(path, "")
		k.emperor = before
		return err
	}
	facts, err := factsOf(ctx, o, s)
	if err != nil {
		return err
	}
	k.running = append(k.running, inspect.NewSecuritySubject(s.Name, inspect.Completed(facts, factsOfFile(e, path))))
	return nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// factsOfFile returns the facts about the file of a vassal; nil: its emperor or its text is not known.
func factsOfFile(e *config.Emperor, path string) []inspect.Fact {
	if e == nil {
		return nil
	}
	k := &checker{emperor: e, reported: map[string]bool{}, orders: map[config.ReloadOrder][]string{}}
	if k.check(path, "") != nil || len(k.vassals) != 1 {
		return nil
	}
	return inspect.Security(k.vassals[0], k.vassals)
}

// factsOf returns the facts that the process of a vassal shows, beside the other vassals of its emperor.
func factsOf(ctx context.Context, o *operator, s control.Status) ([]inspect.Fact, error) {
	if s.PID == 0 {
		return nil, fmt.Errorf("%s does not run", s.Name)
	}
	var all control.List
	if err := o.get(ctx, "/vassals", &all); err != nil {
		return nil, err
	}
	var others []uint32
	for _, v := range all.Vassals {
		if v.Name != s.Name && v.RunsAs != nil {
			others = append(others, *v.RunsAs)
		}
	}
	return inspect.SecurityOf(s.PID, others)
}
