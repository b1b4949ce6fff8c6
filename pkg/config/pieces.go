package config

import (
	"fmt"
	"slices"
	"strings"
)

// A tenant may choose the name of a file, and the names of directories above it, and
// a magic variable puts these into the text before lines are looked at. Names that
// are no plain words are therefore marked there, whatever language the text is in:
// the marks survive its parser, and each option knows afterwards which parts of its
// value are names.

// piece is a part of a value that names a file and is no plain word.
type piece struct {
	// variable is the letter of the magic variable, and _ an item of for-glob.
	variable byte
	text     string
}

// String prints it for messages.
func (p piece) String() string {
	name := "%" + string(p.variable)
	if p.variable == '_' {
		name = "%(_)"
	}
	return fmt.Sprintf("%s is %q", name, shorten(p.text))
}

// pieces are those of one value.
type pieces []piece

// with adds those that are not there yet.
func (ps pieces) with(more pieces) pieces {
	for _, p := range more {
		if !slices.Contains(ps, p) {
			ps = append(slices.Clip(ps), p)
		}
	}
	return ps
}

// find returns the first that is like this.
func (ps pieces) find(like func(piece) bool) (p piece, found bool) {
	if i := slices.IndexFunc(ps, like); i >= 0 {
		return ps[i], true
	}
	return piece{}, false
}

// misread reports a name in the value of an entry that its reader takes for more than
// a name, see option.Row, and whether there is one.
func (ps *Problems) misread(misreads func(text, name string) bool, e entry) bool {
	if len(e.names) == 0 {
		return false
	}
	p, found := e.names.find(func(p piece) bool { return misreads != nil && misreads(e.value, p.text) })
	switch {
	case found:
		ps.mistaken(e, p)
	case e.twice:
		ps.add(e.origin, e.key, e.names[0].String()+", in which there is something to replace", "rename the file")
	}
	return found || e.twice
}

// mistaken reports a name that a shell would read as more than one.
func (ps *Problems) mistaken(e entry, p piece) {
	hint := `use "$UWSGI_VASSAL_NAME", or rename the file`
	if p.variable == '_' {
		hint = "rename the file"
	}
	ps.add(e.origin, e.key, p.String()+", which a shell may take for more than a name", hint)
}

// ExamineForeign finds mistakes in what a program of the operator's, such as uwsgi, is
// configured by: names of files that it would read as more than names, and, where root
// is refused, that no user is named. Only the program knows what else its text means.
// reads are the variables of the environment that the text names by $(NAME) and if-env.
func (in Input) ExamineForeign(refuseRoot bool) (reads []string, err error) {
	var problems Problems
	named := false
	r := in.read()
	for _, e := range r.finish() {
		named = named || e.key == "uid" || e.key == "immediate-uid"
		misreads := uwsgiMisreads(e.key)
		if o := vassalOptions.find(e.key); o != nil {
			misreads = o.Misreads
		}
		if strings.Contains(e.value, "exec://") {
			misreads = func(_, _ string) bool { return true }
		}
		problems.misread(misreads, e)
	}
	if refuseRoot && !named { // nobody looks again: what is left out names none
		problems = append(problems, unnamed(in.Source.Path))
	}
	return namesOf(r.reads), problems.err()
}

// uwsgiMisreads is what option.Row has, for options that only uWSGI has.
func uwsgiMisreads(key string) func(text, name string) bool {
	for _, lines := range []string{"alarm", "attach-", "call-", "cron", "exec-", "hook-", "legion-attach-", "legion-cron", "logger", "req-logger", "smart-attach-", "unique-cron"} {
		if strings.HasPrefix(key, lines) {
			return func(_, _ string) bool { return true }
		}
	}
	return nil
}

// plain reports whether a name means nothing else to a shell: letters, digits and a
// few signs, and no dash in front that makes an option of it. Slashes divide a path.
func plain(name string) bool {
	const signs = "._@+-/"
	return !strings.HasPrefix(name, "-") && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune(signs, c)
	})
}

// The marks around a piece: characters that Unicode leaves to programs for use inside
// of them, and that every format takes. Behind the first one stands the letter of
// the variable.
const (
	pieceBegin = "\uFDD0"
	pieceEnd   = "\uFDD1"
)

// marked is a name as it goes into a text. It loses marks of its own, which would end
// the piece too early.
func marked(variable byte, name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(name, pieceBegin, ""), pieceEnd, "")
	if plain(name) {
		return name
	}
	return pieceBegin + string(variable) + name + pieceEnd
}

// unmark takes the marks out of a key or a value and returns what stands between
// them. A parser may have cut the text between the two of a pair.
func unmark(text string) (clean string, found pieces) {
	for {
		begin, end := strings.Index(text, pieceBegin), strings.Index(text, pieceEnd)
		variable, name := byte('?'), ""
		switch {
		case end >= 0 && (begin < 0 || end < begin): // it begins elsewhere
			name, text = text[:end], text[end+len(pieceEnd):]
		case begin >= 0 && begin+len(pieceBegin) < len(text):
			clean += text[:begin]
			variable = text[begin+len(pieceBegin)]
			name, text, _ = strings.Cut(text[begin+len(pieceBegin)+1:], pieceEnd)
		default:
			return clean + strings.TrimSuffix(text, pieceBegin), found
		}
		if clean += name; name != "" {
			found = found.with(pieces{{variable, name}})
		}
	}
}
