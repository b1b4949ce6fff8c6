package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/words"
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
	return fmt.Sprintf("%s is %q", name, words.Shorten(p.text))
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
