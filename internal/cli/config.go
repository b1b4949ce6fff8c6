package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// configCommand prints the effective options, with their origin.
func configCommand() *cobra.Command {
	var ini string
	var all, asJSON bool
	c := &cobra.Command{
		DisableFlagsInUseLine: true,
		Use:                   "config [--ini FILE] NAME|FILE", Short: "print the effective configuration, with the origin of each option",
		Long: "Prints the effective options of a vassal, or of an emperor's own file, and the origin of each. NAME is a vassal\n" +
			"in a directory of the emperor whose file --ini names, with or without its extension.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var e *config.Emperor
			if ini != "" {
				var err error
				if e, _, err = loader().Emperor([]string{"--ini", ini}); err != nil {
					return err
				}
			}
			vassal, err := locate(args[0], e)
			if err != nil {
				return err
			}
			settings, err := effective(e, vassal, all)
			var problems config.Problems
			if errors.As(err, &problems) {
				c.PrintErrln(problems)
				return errMistakes
			} else if err != nil {
				return err
			}
			if asJSON {
				return settingsJSON(c.OutOrStdout(), settings)
			}
			return settingsText(c.OutOrStdout(), settings)
		},
	}
	c.Flags().StringVar(&ini, "ini", "", "the emperor's own `FILE`, which names the directories of vassals")
	c.Flags().BoolVar(&all, "all", false, "print defaults as well")
	c.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	return c
}

// locate finds the file of a vassal by the vassal's name or path.
func locate(name string, e *config.Emperor) (c monitor.Config, err error) {
	if _, err := os.Stat(name); err == nil || strings.Contains(name, "/") {
		return vassalfiles.Finder{Emperor: e}.Config(name), nil
	}
	if e == nil {
		return c, fmt.Errorf("no file %q (give --ini FILE to find a vassal by its name)", name)
	}
	for _, m := range e.Monitors {
		files, _ := vassalfiles.Finder{Emperor: e}.Files(m)
		for _, c := range files {
			if base := filepath.Base(c.Path); base == name || strings.TrimSuffix(base, filepath.Ext(base)) == name {
				return c, nil
			}
		}
	}
	return c, fmt.Errorf("no vassal %q in %s", name, strings.Join(e.Monitors, ", "))
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

func settingsText(out io.Writer, settings []config.Setting) error {
	width := 0
	for _, s := range settings {
		width = max(width, len(origin(s)))
	}
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%-*s  %s = %s\n", width, origin(s), s.Name, s.Value)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func origin(s config.Setting) string {
	if s.Default {
		return "default"
	}
	return s.Origin.String()
}

func settingsJSON(out io.Writer, settings []config.Setting) error {
	type object struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Origin string `json:"origin"`
		File   string `json:"file,omitempty"`
		Line   int    `json:"line,omitempty"`
	}
	list := []object{} // prints as [], not null, when empty
	for _, s := range settings {
		list = append(list, object{s.Name, s.Value, origin(s), s.Origin.File, s.Origin.Line})
	}
	return printJSON(out, list)
}

// loader returns a loader for the emperor's own configuration.
func loader() config.Loader {
	return config.Loader{Permissions: config.FullPermissions(parser.Parse, direct.Means())}
}
