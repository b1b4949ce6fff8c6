package config

import (
	"fmt"
	"slices"
	"strings"
)

// A tenant may choose the name of a file, and of its parent directories, and a magic variable
// inserts these names into the text before lines are parsed. Names that are not plain words
// are therefore marked there, in every format: the marks survive its parser, and each option
// can find the names in its value.

// piece is a part of a value that is the name of a file and not a plain word.
type piece struct {
	// variable is the letter of the magic variable, and _ for an item of for-glob.
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

// pieces are the pieces of one value.
type pieces []piece

// with adds the missing ones of more.
func (ps pieces) with(more pieces) pieces {
	for _, p := range more {
		if !slices.Contains(ps, p) {
			ps = append(slices.Clip(ps), p)
		}
	}
	return ps
}

// find returns the first piece that matches.
func (ps pieces) find(like func(piece) bool) (p piece, found bool) {
	if i := slices.IndexFunc(ps, like); i >= 0 {
		return ps[i], true
	}
	return piece{}, false
}

// misread reports a name in the value of an entry that its reader would misinterpret, see
// option.Row, and whether there is one.
func (ps *Problems) misread(misreads func(text, name string) bool, e entry) bool {
	if len(e.names) == 0 {
		return false
	}
	p, found := e.names.find(func(p piece) bool { return misreads != nil && misreads(e.value, p.text) })
	switch {
	case found:
		ps.mistaken(e, p)
	case e.twice:
		ps.add(e.origin, e.key, e.names[0].String()+", which contains a placeholder", "rename the file")
	}
	return found || e.twice
}

// mistaken reports a name that a shell would misinterpret.
func (ps *Problems) mistaken(e entry, p piece) {
	hint := `use "$UWSGI_VASSAL_NAME", or rename the file`
	if p.variable == '_' {
		hint = "rename the file"
	}
	ps.add(e.origin, e.key, p.String()+", which a shell may take for more than a name", hint)
}

// ExamineForeign finds mistakes in the configuration of a program of the operator, such as
// uwsgi: names of files that it would misinterpret, and, when root is refused, a missing user.
// Only the program knows the rest. reads are the environment variables that the text names by
// $(NAME) and if-env.
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
	if refuseRoot && !named { // no later check: files that are left out cannot name a user
		problems = append(problems, unnamed(in.Source.Path))
	}
	return namesOf(r.reads), problems.err()
}

// uwsgiMisreads is option.Row's Misreads for options that only uWSGI has.
func uwsgiMisreads(key string) func(text, name string) bool {
	for _, lines := range []string{"alarm", "attach-", "call-", "cron", "exec-", "hook-", "legion-attach-", "legion-cron", "logger", "req-logger", "smart-attach-", "unique-cron"} {
		if strings.HasPrefix(key, lines) {
			return func(_, _ string) bool { return true }
		}
	}
	return nil
}

// plain reports whether a name has no special meaning for a shell: letters, digits and a few
// signs, and no dash at the start that makes it an option. Slashes divide a path.
func plain(name string) bool {
	const signs = "._@+-/"
	return !strings.HasPrefix(name, "-") && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune(signs, c)
	})
}

// The marks around a piece: characters that Unicode reserves for internal use of programs, and
// that every format accepts. The letter of the variable follows the first one.
const (
	pieceBegin = "\uFDD0"
	pieceEnd   = "\uFDD1"
)

// marked returns a name as it is inserted into a text. Marks in the name itself, which would
// end the piece too early, are removed.
func marked(variable byte, name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(name, pieceBegin, ""), pieceEnd, "")
	if plain(name) {
		return name
	}
	return pieceBegin + string(variable) + name + pieceEnd
}

// unmark removes the marks from a key or a value and returns the text between them. A parser
// may have cut the text between the two of a pair.
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
