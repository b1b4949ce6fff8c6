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
// quotes there, and the corrections are the same for all options.

// correction is a value that the author probably intended.
type correction struct {
	value string
	// rule is the rule that the written value breaks.
	rule string
}

// corrections returns the values that the author of a text probably intended, the most likely first.
func corrections(text string) (list []correction) {
	if cut, ok := uncommented(text); ok {
		list = append(list, correction{cut, option.Comments})
		text = cut
	}
	if n := len(text); n > 1 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		list = append(list, correction{text[1 : n-1], "quotes are part of a value"})
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

// complaint returns the mistake in a value that an option rejects.
func complaint[T any](o *option.Row[T], e dialect.Entry, err error) string {
	if e.Value == "" && o.NeedsValue() {
		return "no value given"
	}
	return problem.Of(err).What
}

// remedy returns the hint for a value that an option rejects: the correction that the option
// accepts, or the syntax of the option.
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
	if o.Arg == programs { // ParseWords has reported a # or a ;
		return o.Hint(err)
	}
	for _, s := range corrections(e.Value) {
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

// names are the forms of values that accept any text, but in which comments and quotes are
// probably a mistake.
var names = []string{"ADDRESS", "DIR", "FILE", "FILE|journal", "NAME", "PATH", "PROGRAM", "/MOUNT=PATH", "/MOUNT=DIR", "[/MOUNT=]PATH", "PLACE"}

// doubt returns a warning about an accepted value that is probably a mistake. Empty: none.
func doubt[T any](o *option.Row[T], into *T, e dialect.Entry) (what, hint string) {
	if what, hint = unresolved(o, e.Value, isVassal(into)); what != "" {
		return what, hint
	}
	list := corrections(e.Value)
	switch line := e.Value; {
	case o.Arg == programs && words.Expansion(line) != "":
		return fmt.Sprintf("expects words, not a shell command line: the program gets %q unchanged", words.Expansion(line)),
			"sh -c " + words.Quote(line) + ", or quote it if that is intended"
	case o.Arg == "" && !e.Bare && !option.IsBool(e.Value):
		hint = o.Name + " = true or false"
		if len(list) > 0 && option.IsBool(list[0].value) {
			hint = list[0].rule + ": " + e.Key + " = " + list[0].value
		}
		return fmt.Sprintf("%q means yes", e.Value), hint
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

// unresolved finds an unresolved reference in a value: `$(NAME)` of an unset variable, or
// `%(key)` without an option or a placeholder of that name. Texts for a shell, a log or a route
// may contain such references on purpose.
func unresolved[T any](o *option.Row[T], value string, ofVassal bool) (what, hint string) {
	if strings.IndexByte(value, '(') < 0 {
		return "", ""
	}
	_, hook := hookPhase(o.Name)
	free := hook || o.Group == "Routing" || slices.Contains([]string{"COMMAND", "FORMAT", "[FORMAT]", "KEY=VALUE,…", "PIDFILE COMMAND", "TEXT"}, o.Arg)
	name := reference(value, "$(")
	switch {
	case o.Arg == programs && name != strings.ToUpper(name) && words.Expansion(value) == "": // quoted, for a shell
		return "", ""
	case words.IsName(name) && (!free || name == strings.ToUpper(name)):
		outcome := "stays as it is"
		if o.Arg == "ADDRESS" && unsetPort(value) != value {
			outcome = "is port 0 (the kernel chooses one)"
		}
		switch what = fmt.Sprintf("$(%s) %s: the environment variable is not set", name, outcome); {
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
		return fmt.Sprintf("%%(%s) stays as it is: no option or placeholder has this name", name), "set-placeholder = " + name + "=VALUE"
	}
	return "", ""
}

func isVassal[T any](into *T) bool {
	_, ok := any(into).(*Vassal)
	return ok
}

// programs is the form of a value that is a program with its arguments.
const programs = "PROGRAM ARGS…"

// reference returns the name in the first reference that starts with begin. Empty: none.
func reference(value, begin string) string {
	_, after, ok := strings.Cut(value, begin)
	name, _, closed := strings.Cut(after, ")")
	if !ok || !closed {
		return ""
	}
	return name
}

// unassigned reports a line without =, such as `uid nobody` or `uid: nobody`. It returns the
// option that the line was meant for, and whether the line is of this kind.
func (t table[T]) unassigned(e dialect.Entry, s *unknownKeys, warnings, problems *Problems) (meant string, found bool) {
	word, rest := firstWord(e.Key)
	if rest == "" || e.Value != "" {
		return "", false
	}
	missing := "= is missing"
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
		s.check(e, warnings, problems)
	case known, whose(word) != "":
		warnings.Add(e.Origin, word, missing, word+" = "+rest)
	case near != nil:
		problems.Add(e.Origin, word, "unknown option, and "+missing, suggest.Question("", near[0]+" = "+rest))
		return near[0], true
	default:
		warnings.Add(e.Origin, "", fmt.Sprintf("there is no = in %q, so the line has no effect", words.Shorten(e.Key)), "KEY = VALUE; a comment begins with # or ;")
	}
	return "", true
}
