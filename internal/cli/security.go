package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/inspect"
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
	var list []inspect.SecuritySubject
	for _, s := range k.vassals {
		list = append(list, inspect.NewSecuritySubject(filepath.Base(s.File), inspect.Security(s, k.vassals)))
	}
	return printSecurity(out, list, asJSON, most)
}
