package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// view is the part of a long list that a terminal shows, and the keys that move it.
type view struct {
	offset int    // rows above the screen
	page   int    // rows on the screen, of the last frame
	filter string // of names; empty: all
	typing bool   // the filter is being typed
	escape string // the beginning of a sequence of a key
}

// last is an offset beyond every list.
const last = 1 << 30

// moves are the keys that scroll, by a number of rows, or by pages.
var moves = map[string]struct{ rows, pages int }{
	"j": {rows: 1}, "\x1b[B": {rows: 1}, "\x1bOB": {rows: 1}, "k": {rows: -1}, "\x1b[A": {rows: -1}, "\x1bOA": {rows: -1},
	" ": {pages: 1}, "\x1b[6~": {pages: 1}, "b": {pages: -1}, "\x1b[5~": {pages: -1},
	"g": {rows: -last}, "\x1b[H": {rows: -last}, "\x1b[1~": {rows: -last}, "G": {rows: last}, "\x1b[F": {rows: last}, "\x1b[4~": {rows: last},
}

// press takes one byte of a key, and reports whether it was for the view.
func (v *view) press(key byte) bool {
	switch {
	case v.typing:
		v.edit(key)
		return true
	case v.escape != "" || key == '\x1b':
		return v.sequence(key)
	case key == '/':
		v.typing = true
		return true
	}
	return v.move(string(rune(key)))
}

// sequence collects the sequence of a key (ECMA-48): it ends with a letter or a tilde.
func (v *view) sequence(key byte) bool {
	begun := v.escape != ""
	v.escape += string(rune(key))
	final := key >= '@' && key <= '~' && (len(v.escape) > 2 || key != '[' && key != 'O')
	if begun && final || len(v.escape) > 16 {
		v.move(v.escape)
		v.escape = ""
	}
	return true
}

func (v *view) move(key string) bool {
	m, ok := moves[key]
	v.offset = min(last, max(0, v.offset+m.rows+m.pages*max(1, v.page)))
	return ok
}

// edit changes the filter: enter ends the input, escape and Ctrl-U clear it.
func (v *view) edit(key byte) {
	v.offset = 0
	switch key {
	case '\r', '\n':
		v.typing = false
	case '\x1b', 'U' & 31:
		v.filter, v.typing = "", key != '\x1b'
	case '\b', 0x7f:
		_, size := utf8.DecodeLastRuneInString(v.filter)
		v.filter = v.filter[:len(v.filter)-size]
	default:
		if key > ' ' {
			v.filter += string([]byte{key})
		}
	}
}

// wants reports whether the filter selects a name.
func (v *view) wants(name string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(v.filter))
}

// frame returns the first lines of a text, which stay, the rows that the screen has room for, and
// a line about the others.
func (v *view) frame(text []string, heads, height int) []string {
	rows := text[heads:]
	v.page = max(1, height-heads-1)
	v.offset = min(v.offset, max(0, len(rows)-v.page))
	below := max(0, len(rows)-v.offset-v.page)
	lines := slices.Concat(text[:heads], rows[v.offset:len(rows)-below])
	var foot []string
	switch {
	case v.typing:
		foot = append(foot, "filter: "+v.filter+"_")
	case v.filter != "":
		foot = append(foot, "filter: "+v.filter)
	}
	if v.offset > 0 || below > 0 {
		foot = append(foot, fmt.Sprintf("%d more above, %d below (arrows, space, b, g, G; / filters)", v.offset, below))
	}
	if len(foot) > 0 {
		lines = append(lines, strings.Join(foot, "  "))
	}
	return lines
}
