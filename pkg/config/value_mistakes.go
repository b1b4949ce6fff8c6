package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/internal/words"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// A value is the whole text after the first =. Files of other programs have comments and
// quotes there, and these slips look the same for all options.

// slip is a value as it was probably meant.
type slip struct {
	value string
	// rule is the rule that the text of the value ignores.
	rule string
}

// slips are the values that a text was probably meant to be, the most likely first.
func slips(text string) (list []slip) {
	if cut, ok := uncommented(text); ok {
		list = append(list, slip{cut, option.Comments})
		text = cut
	}
	if n := len(text); n > 1 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		list = append(list, slip{text[1 : n-1], "quotes are part of a value"})
	}
	return list
}

// uncommented removes a comment after a value.
func uncommented(text string) (value string, ok bool) {
	for i := 1; i < len(text); i++ {
		blank := strings.IndexByte(dialect.Blanks, text[i-1]) >= 0
		if text[i] == '#' && blank || text[i] == ';' && (blank || i+1 == len(text) || strings.IndexByte(dialect.Blanks, text[i+1]) >= 0) {
			return strings.TrimRight(text[:i], dialect.Blanks), true
		}
	}
	return "", false
}

// complaint returns the mistake in a value that an option refuses.
func complaint[T any](o *option.Row[T], e dialect.Entry, err error) string {
	if e.Value == "" && o.NeedsValue() {
		return "no value given"
	}
	return problem.Of(err).What
}

// remedy returns the remedy for a value that an option refuses: the slip that explains it, or
// the syntax of the option.
func remedy[T any](o *option.Row[T], into *T, e dialect.Entry, err error) string {
	if what, hint := unresolved(o, e.Value, isVassal(into)); what != "" {
		return what + "; " + hint
	}
	if e.Value == "" && o.NeedsValue() {
		form := o.Name + " = " + o.Arg
		if hint := o.Hint(err); strings.HasPrefix(hint, "such as ") {
			form += ", " + hint
		}
		return form
	}
	if o.Arg == programs { // a # or a ; in it is told with the words
		return o.Hint(err)
	}
	for _, s := range slips(e.Value) {
		if s.value != "" && o.Put(into, option.Value{Text: s.value, Origin: e.Origin, Tenant: e.Tenant}) == nil {
			return fmt.Sprintf("%s: %s = %s", s.rule, e.Key, s.value)
		}
	}
	return o.Hint(err)
}

// leading removes a comment after a number, as uWSGI does: its numbers end at the first byte
// that is not a digit.
func leading[T any](o *option.Row[T], text string) (number string, ok bool) {
	if !slices.Contains([]string{"BYTES", "MILLISECONDS", "N", "TIME", "[TIME]"}, o.Arg) || o.Guard {
		return "", false
	}
	at := strings.IndexAny(text, "#;")
	if at < 0 {
		return "", false
	}
	return strings.TrimRight(text[:at], dialect.Blanks), true
}

// names are the forms of values that could contain anything, but contain comments and quotes
// only by a slip.
var names = []string{"ADDRESS", "DIR", "FILE", "FILE|journal", "NAME", "PATH", "PROGRAM", "/MOUNT=PATH", "/MOUNT=DIR", "[/MOUNT=]PATH", "PLACE"}

// doubt returns a warning about a value that an option accepted. Empty: none.
func doubt[T any](o *option.Row[T], into *T, e dialect.Entry) (what, hint string) {
	if what, hint = unresolved(o, e.Value, isVassal(into)); what != "" {
		return what, hint
	}
	list := slips(e.Value)
	switch line := e.Value; {
	case o.Arg == programs && words.Expansion(line) != "":
		return fmt.Sprintf("it takes words, not a shell line: the program gets %q as it is", words.Expansion(line)), "sh -c " + words.Quote(line) + ", or quote it where that is meant"
	case o.Arg == "" && !e.Bare && !option.IsBool(e.Value):
		hint = o.Name + " = true or false"
		if len(list) > 0 && option.IsBool(list[0].value) {
			hint = list[0].rule + ": " + e.Key + " = " + list[0].value
		}
		return fmt.Sprintf("%q is taken for yes", e.Value), hint
	case o.Arg == "ADDRESS" && digits(e.Value):
		return fmt.Sprintf("%q is the path of a unix socket", e.Value), "a port is " + e.Key + " = :" + e.Value
	case len(list) > 0 && list[0].value != "" && slices.Contains(names, o.Arg):
		return fmt.Sprintf("the value is %q", e.Value), fmt.Sprintf("%s: %s = %s", list[0].rule, e.Key, list[0].value)
	}
	return "", ""
}

// digits reports whether a text is a number, such as a port without its colon.
func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// unresolved finds an unresolved reference in a value: `$(NAME)` of a variable that is not
// set, or `%(key)` of no option and no placeholder. A text for a shell, a log or a route may
// contain them intentionally.
func unresolved[T any](o *option.Row[T], value string, ofVassal bool) (what, hint string) {
	if strings.IndexByte(value, '(') < 0 {
		return "", ""
	}
	_, hook := hookPhase(o.Name)
	free := hook || o.Group == "Routing" || slices.Contains([]string{"COMMAND", "FORMAT", "[FORMAT]", "KEY=VALUE,…", "PIDFILE COMMAND", "TEXT"}, o.Arg)
	name := reference(value, "$(")
	switch {
	case o.Arg == programs && name != strings.ToUpper(name) && words.Expansion(value) == "": // the shell's, in quotes
		return "", ""
	case words.IsName(name) && (!free || name == strings.ToUpper(name)):
		outcome := "stays as it is"
		if o.Arg == "ADDRESS" && unsetPort(value) != value {
			outcome = "is port 0 (the kernel chooses one)"
		}
		switch what = fmt.Sprintf("$(%s) %s: there is no such environment variable", name, outcome); {
		case o.Arg == programs && name != strings.ToUpper(name):
			hint = "a command of that name needs a shell: sh -c " + words.Quote(value)
		case ofVassal:
			hint = fmt.Sprintf("env = %s=VALUE in the emperor's file sets it", name)
		default:
			hint = "set it where the emperor is started"
		}
		return what, hint
	case free:
		return "", ""
	}
	if name = reference(value, "%("); name != "" {
		return fmt.Sprintf("%%(%s) stays as it is: there is no such option and no such placeholder", name), "set-placeholder = " + name + "=VALUE"
	}
	return "", ""
}

func isVassal[T any](into *T) bool {
	_, ok := any(into).(*Vassal)
	return ok
}

// programs is the form of a value that is a program with its arguments.
const programs = "PROGRAM ARGS…"

// reference returns the name in the first reference with that beginning. Empty: none.
func reference(value, begin string) string {
	_, after, ok := strings.Cut(value, begin)
	name, _, closed := strings.Cut(after, ")")
	if !ok || !closed {
		return ""
	}
	return name
}

// unassigned checks a line without =, such as `uid nobody` or `uid: nobody`, and reports
// whether it is one.
func (t table[T]) unassigned(e dialect.Entry, s *strangers, warnings, problems *Problems) (meant string, found bool) {
	word, rest := firstWord(e.Key)
	if rest == "" || e.Value != "" {
		return "", false
	}
	missing := "there is no = behind it"
	o, near := t.find(word), []string(nil)
	_, known := uwsginames.Lookup(word)
	if o == nil && !known && whose(word) == "" {
		near = similar(word, t.names)
	}
	switch {
	case o != nil:
		problems.Add(e.Origin, word, missing, word+" = "+rest)
		return o.Name, true
	case uwsginames.Confines(word):
		e.Key, e.Value = word, rest
		s.meet(e, warnings, problems)
	case known, whose(word) != "":
		warnings.Add(e.Origin, word, missing, word+" = "+rest)
	case near != nil:
		problems.Add(e.Origin, word, "unknown option, and "+missing, suggest.Question("", near[0]+" = "+rest))
		return near[0], true
	default:
		warnings.Add(e.Origin, "", fmt.Sprintf("there is no = in %q: the line says nothing", words.Shorten(e.Key)), "KEY = VALUE; a comment begins with # or ;")
	}
	return "", true
}
