package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// configCommand prints the effective options, with their origin.
func configCommand() *cobra.Command {
	var ini string
	var all bool
	c := operate(&cobra.Command{
		Use: "config [--ini FILE] NAME|FILE…", Short: "print the effective configuration, with the origin of each option",
		Long: "Prints the effective options of vassals, or of an emperor's own file, and the origin of each option.\n" +
			"NAME is a vassal, with or without its extension, or a pattern in quotes. It is a vassal of the emperor whose file --ini\n" +
			"names, or else of the running emperor. The emperor's templates and rules for tenants apply only if --ini, or else\n" +
			hostFile + ", is the file of this emperor.",
		Args: cobra.MinimumNArgs(1),
	}, func(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
		found, err := locate(ctx, o, words, ini)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(f located) bool { return f.named && f.emperor == nil }) {
			c.PrintErrln("emperor: read without the emperor's own file (--ini FILE): its templates are left out")
		}
		return printEffective(c, found, all, o.asJSON, !single(words))
	})
	c.Flags().StringVar(&ini, "ini", "", "the emperor's own `FILE`, which names the directories of vassals")
	c.Flags().BoolVar(&all, "all", false, "print defaults as well")
	names := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		list, _ := names(c, args, word)
		return list, cobra.ShellCompDirectiveDefault
	}
	return c
}

// printEffective prints the options of each file: of one file its lines or objects, of several with their
// vassals. A file with mistakes keeps no other from it.
func printEffective(c *cobra.Command, files []located, all, asJSON, several bool) error {
	type object struct {
		Vassal  string        `json:"vassal"`
		Options []settingJSON `json:"options"`
	}
	list, faulty := []object{}, false // prints as [], not null, when empty
	for i, file := range files {
		settings, err := effective(file.emperor, file.Config, all)
		var problems config.Problems
		if errors.As(err, &problems) {
			c.PrintErrln(problems)
			faulty = true
			continue
		} else if err != nil {
			return err
		}
		name := filepath.Base(file.Path)
		if asJSON {
			list = append(list, object{name, settingsJSON(settings)})
			continue
		}
		text := settingsText(settings)
		if several {
			text = strings.Repeat("\n", min(i, 1)) + "; " + readable.Clean(name) + "\n" + text
		}
		if _, err := io.WriteString(c.OutOrStdout(), text); err != nil {
			return err
		}
	}
	var err error
	switch {
	case asJSON && several:
		err = printJSON(c.OutOrStdout(), list)
	case asJSON && len(list) > 0:
		err = printJSON(c.OutOrStdout(), list[0].Options)
	}
	if faulty {
		return errMistakes
	}
	return err
}

// located is the file of a vassal, and the options of its emperor; nil: they are not known.
type located struct {
	monitor.Config
	emperor *config.Emperor
	named   bool // by its name, not by its path
}

// locate finds the files of vassals by their paths, or by names and patterns. Names are searched in the
// directories of the emperor with the file ini. Without one, they are vassals of the running emperor, or of
// the host's own file when none runs.
func locate(ctx context.Context, o *operator, words []string, ini string) (found []located, err error) {
	var e *config.Emperor
	if ini != "" {
		if e, _, err = loader().Emperor([]string{"--ini", ini}); err != nil {
			return nil, exitError{err, ExitUsage}
		}
	}
	if err := checkPatterns(words); err != nil {
		return nil, err
	}
	var known []located // the files of all vassals
	for _, word := range words {
		if !isName(word) {
			found = append(found, located{Config: vassalfiles.Finder{Emperor: e}.Config(word), emperor: e})
			continue
		}
		if known == nil && e != nil {
			known = monitored(e)
		} else if known == nil {
			if known, err = running(ctx, o); errors.Is(err, control.ErrNoEmperor) {
				return nil, fmt.Errorf("no file %q (give --ini FILE to find a vassal by its name), and %w", word, err)
			} else if err != nil {
				return nil, err
			}
		}
		chosen := slices.DeleteFunc(slices.Clone(known), func(f located) bool { return !f.selected(word) })
		if len(chosen) == 0 {
			return nil, unlocated(word, known, e)
		}
		found = append(found, chosen...)
	}
	return found, nil
}

// selected reports whether a word is the name of the vassal, or a pattern of it.
func (f located) selected(word string) bool {
	base := filepath.Base(f.Path)
	return control.Selects(word, base) || !control.IsPattern(word) && strings.TrimSuffix(base, filepath.Ext(base)) == word
}

// unlocated is the error for a word that selects no vassal: in the directories of the emperor, or, with a nil one,
// of the running emperor.
func unlocated(word string, known []located, e *config.Emperor) error {
	place := ""
	if e != nil {
		place = " in " + strings.Join(e.Monitors, ", ")
	}
	if control.IsPattern(word) {
		return exitError{fmt.Errorf("no vassal%s matches %q", place, word), exitUnknown}
	}
	var names []string
	for _, f := range known {
		names = append(names, filepath.Base(f.Path))
	}
	return &control.Error{Message: fmt.Sprintf("there is no file and no vassal %q%s", word, place), Near: control.Similar(word, names), Code: http.StatusNotFound}
}

// monitored returns the files in the directories of an emperor.
func monitored(e *config.Emperor) (list []located) {
	for _, m := range e.Monitors {
		files, _ := vassalfiles.Finder{Emperor: e}.Files(m)
		for _, c := range files {
			list = append(list, located{c, e, true})
		}
	}
	return list
}

// hosts returns the options of the emperor of this host; nil: it has no file of its own.
func hosts() *config.Emperor {
	if _, err := os.Stat(hostFile); err != nil {
		return nil
	}
	e, _, _ := loader().ExamineEmperor([]string{"--ini", hostFile})
	return e
}

// running returns the files of the running emperor's vassals. They have the options of the host's own file when it
// names the same files.
func running(ctx context.Context, o *operator) (list []located, err error) {
	var own []located
	byBase := map[string]located{}
	if e := hosts(); e != nil {
		own = monitored(e)
	}
	for _, f := range own {
		byBase[filepath.Base(f.Path)] = f
	}
	var now control.List
	if err := o.get(ctx, "/vassals", &now); errors.Is(err, control.ErrNoEmperor) && own != nil {
		return own, nil
	} else if err != nil {
		return nil, err
	}
	for _, v := range now.Vassals {
		f, ok := byBase[filepath.Base(v.Path)]
		if !ok || !sameFile(f.Path, v.Path) {
			f = located{vassalfiles.Finder{}.Config(v.Path), nil, true}
		}
		list = append(list, f)
	}
	return list, nil
}

func effective(e *config.Emperor, vassal monitor.Config, all bool) ([]config.Setting, error) {
	data, err := read(vassal.Path)
	if err != nil {
		return nil, err
	}
	if config.IsEmperors(vassal.Path, data) {
		e, _, err := loader().Emperor([]string{"--ini", vassal.Path})
		if err != nil {
			return nil, err
		}
		return e.Settings(all), nil
	}
	vassal.Data = data
	l, source, err := underEmperor(e, vassal)
	if err != nil {
		return nil, err
	}
	v, _, err := l.Vassal(source)
	if err != nil {
		return nil, err
	}
	return v.Settings(all), nil
}

func settingsText(settings []config.Setting) string {
	width := 0
	for _, s := range settings {
		width = max(width, len(origin(s)))
	}
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%-*s  %s = %s\n", width, origin(s), s.Name, s.Value)
	}
	return b.String()
}

func origin(s config.Setting) string {
	if s.Default {
		return "default"
	}
	return s.Origin.String()
}

// settingJSON is an option in JSON.
type settingJSON struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
}

func settingsJSON(settings []config.Setting) []settingJSON {
	list := []settingJSON{} // prints as [], not null, when empty
	for _, s := range settings {
		list = append(list, settingJSON{s.Name, s.Value, origin(s), s.Origin.File, s.Origin.Line})
	}
	return list
}

// loader returns a loader for the emperor's own configuration.
func loader() config.Loader {
	return config.Loader{Permissions: config.FullPermissions(parser.Parse, direct.Means())}
}
