// Package vassalname resolves the names of vassals as operators and tenants write them: the name of
// a vassal is the name of its file, and .ini may be left out.
//
// There is one meaning: a name is the vassal with exactly this name, and otherwise the one with .ini
// behind it. `a` is therefore never the vassal a.ini while a vassal `a` exists.
package vassalname

import "strings"

// extension is the part that may be left out.
const extension = ".ini"

// Resolve returns the name of the vassal that a word means. exists reports whether there is a vassal
// with a full name. Without such a vassal, and for an empty word, ok is false.
func Resolve(word string, exists func(name string) bool) (name string, ok bool) {
	if word == "" {
		return "", false
	}
	for _, name := range []string{word, word + extension} {
		if exists(name) {
			return name, true
		}
	}
	return "", false
}

// MayMean reports whether Resolve of a word can return a name, depending on the other vassals.
func MayMean(word, name string) bool {
	_, ok := Resolve(word, func(candidate string) bool { return candidate == name })
	return ok
}

// Stem returns a name without .ini.
func Stem(name string) string { return strings.TrimSuffix(name, extension) }
