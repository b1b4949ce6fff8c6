package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
)

// print prints the findings by position and returns errMistakes when one is an error.
func (k *checker) print(out, summary io.Writer, asJSON bool) error {
	slices.SortStableFunc(k.found, func(a, b inspect.Finding) int { return config.ByPlace(a.Problem, b.Problem) })
	mistakes := 0
	var text strings.Builder
	for _, f := range k.found {
		if f.Severity == inspect.Error {
			mistakes++
		}
		text.WriteString(line(f) + "\n")
	}
	var err error
	if asJSON {
		err = findingsJSON(out, k.found)
	} else if _, err = io.WriteString(out, text.String()); err == nil {
		_, err = fmt.Fprintf(summary, "%sfiles: %d, mistakes: %d, warnings: %d\n", k.notes(), k.files, mistakes, len(k.found)-mistakes)
	}
	if err == nil && mistakes > 0 {
		err = errMistakes
	}
	return err
}

// notes returns a line about the order of reloads of vassals with a command, and one that lists
// the vassals without no-new-privileges.
func (k *checker) notes() (text string) {
	for _, order := range []struct {
		is   config.ReloadOrder
		text string
	}{{config.StopFirst, "a reload ends the old worker before the new one starts"}, {config.StartFirst, "a reload starts the new worker beside the old one"}} {
		if names := k.orders[order.is]; len(names) > 0 {
			text += order.text + " (" + string(order.is) + "): " + several(names) + "\n"
		}
	}
	if len(k.gaining) > 0 {
		text += "set-user-id programs give rights to (no-new-privileges = true prevents it): " + several(k.gaining) + "\n"
	}
	return text
}

// maxListed limits the names that several lists.
const maxListed = 8

// several lists the first names and counts the rest.
func several(names []string) string {
	list := strings.Join(names[:min(len(names), maxListed)], ", ")
	if more := len(names) - maxListed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// line formats a finding for people and editors, as `file:line: key: what (hint)` followed by the
// name of the check. A warning is marked.
func line(f inspect.Finding) string {
	text := f.Error()
	if f.Severity == inspect.Warning {
		place := f.Origin.String() + ": "
		text = place + "warning: " + strings.TrimPrefix(text, place)
	}
	if f.Check != "" {
		text += " [" + f.Check + "]"
	}
	return text
}

func findingsJSON(out io.Writer, found []inspect.Finding) error {
	type object struct {
		File     string           `json:"file,omitempty"`
		Line     int              `json:"line,omitempty"`
		Key      string           `json:"key,omitempty"`
		Severity inspect.Severity `json:"severity"`
		Check    string           `json:"check,omitempty"`
		What     string           `json:"what"`
		Hint     string           `json:"hint,omitempty"`
	}
	list := []object{} // prints as [], not null, when empty
	for _, f := range found {
		list = append(list, object{f.Origin.File, f.Origin.Line, f.Key, f.Severity, f.Check, f.What, f.Hint})
	}
	return printJSON(out, list)
}

// printJSON prints a list for programs, indented for people.
func printJSON(out io.Writer, list any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(list)
}
