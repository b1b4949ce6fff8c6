package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
)

// Variable is an environment variable to which a configuration refers.
type Variable struct {
	Name string
	// Origin and Key of the first option that refers to it.
	Origin Origin
	Key    string
	// Shell: the reference is $NAME, which a shell resolves when the option is used. Otherwise it
	// is $(NAME) or if-env, which was resolved while the text was read.
	Shell bool
	// Root: the option is used before privileges are dropped.
	Root bool
}

// Variables returns the variables to which the text refers, each once for each form of reference.
func (v *Vassal) Variables() []Variable {
	var list []Variable
	for _, read := range v.reads {
		list = append(list, Variable{Name: read.Name, Origin: read.Origin, Key: read.Key})
	}
	for _, e := range v.entries {
		o := vassalOptions.find(e.Key)
		if o == nil || o.Misreads == nil || e.Handled && !e.Skipped {
			continue
		}
		for name := range dollars(e.Value) {
			list = addVariable(list, Variable{Name: name, Origin: e.Origin, Key: e.Key, Shell: true, Root: o.Group == "Hooks" && !o.Tyrant})
		}
	}
	return list
}

// Reads returns the names of the variables that were resolved while the text was read. whole is
// false when a skipped part may contain more.
func (v *Vassal) Reads() (names []string, whole bool) {
	return namesOf(v.reads), !v.partial && v.Fallback == ""
}

func namesOf(list []dialect.Variable) (names []string) {
	for _, v := range list {
		names = append(names, v.Name)
	}
	return names
}

func addVariable(list []Variable, v Variable) []Variable {
	if slices.ContainsFunc(list, func(other Variable) bool {
		return other.Name == v.Name && other.Shell == v.Shell && other.Root == v.Root
	}) {
		return list
	}
	return append(list, v)
}

// dollars yields the names in $NAME and ${NAME}, as a shell reads them. Quotes do not hide a
// name, because they may belong to another shell.
func dollars(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, found := strings.Cut(text, "$")
			if !found {
				return
			}
			text = strings.TrimPrefix(rest, "{")
			end := strings.IndexFunc(text, func(c rune) bool {
				return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
			})
			if end < 0 {
				end = len(text)
			}
			if end > 0 && !yield(text[:end]) {
				return
			}
		}
	}
}
