package option

import (
	"cmp"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strings"
)

// Longest is the length of the longest key that Nearest compares.
const Longest = 64

// Nearest returns the names that key may have been meant for, at most three, the most likely
// first. Names count with a difference of one letter in a short key, or two in a longer one;
// keys of three letters, which resemble too much, only in another order of the letters.
// Earlier names win over equally near ones.
func Nearest(key string, names iter.Seq[string]) []string {
	limit := 1
	if len(key) > 4 {
		limit = 2
	}
	if len(key) < 3 || len(key) > Longest {
		return nil
	}
	type near struct {
		name     string
		distance int
	}
	var found []near
	letters := Alphabet(key)
	for name := range names {
		longer := len(name) - len(key)
		// Each change adds at most one letter and removes at most one.
		if len(key) == 3 && letters != Alphabet(name) || longer > limit || longer < -limit || len(name) > Longest || bits.OnesCount32(letters^Alphabet(name)) > 2*limit {
			continue
		}
		d := Distance(key, name)
		if d <= limit && !slices.ContainsFunc(found, func(n near) bool { return n.name == name }) {
			found = append(found, near{name, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var best []string
	for _, n := range found[:min(3, len(found))] {
		best = append(best, n.name)
	}
	return best
}

// Alphabet returns the set of bytes in s, a few of which share a bit.
func Alphabet(s string) uint32 {
	var set uint32
	for i := range len(s) {
		set |= 1 << (s[i] & 31)
	}
	return set
}

// Distance returns the least number of bytes to insert, drop, change or swap with their
// neighbour to turn a into b, without touching a byte twice (Damerau-Levenshtein, optimal
// string alignment). Neither is longer than Longest.
func Distance(a, b string) int {
	var rows [3][Longest + 1]int
	two, one, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

// Unknown is the mistake of a text that is none of a few words. The hint lists the words, with
// the one that was probably meant.
func Unknown(kind, text string, among ...string) error {
	last := len(among) - 1
	hint := strings.Join(among[:last], ", ") + " or " + among[last]
	if near := meant(text, among); near != "" {
		hint = "did you mean " + near + "? There are " + strings.Join(among[:last], ", ") + " and " + among[last]
	}
	return Wrong(fmt.Sprintf("unknown %s %q", kind, text), hint)
}

// meant returns the word that a text was probably meant for: the text is a part of it, or
// differs in a letter or two. Empty: none.
func meant(text string, among []string) string {
	text = strings.ToLower(text)
	for _, word := range among {
		if len(text) >= 3 && (strings.HasPrefix(text, word) || strings.HasPrefix(word, text)) || text == word {
			return word
		}
	}
	if near := Nearest(text, slices.Values(among)); near != nil {
		return near[0]
	}
	return ""
}
