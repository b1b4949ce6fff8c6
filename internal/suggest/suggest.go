// Package suggest finds names that resemble a mistyped word.
package suggest

import (
	"iter"
	"math/bits"
	"slices"
	"strings"
)

const (
	// Longest is the length of the longest word that is compared, so that distances fit in a
	// byte.
	Longest = 254
	// Most limits the suggested names.
	Most = 3
)

// Near returns up to three names that resemble a word, the most similar first. A short word may
// differ by one letter, a longer one by two. A word of one or two letters resembles nothing.
// Earlier names come before equally similar ones.
func Near(word string, names iter.Seq[string]) []string {
	limit := Limit(word)
	if limit == 0 || len(word) > Longest {
		return nil
	}
	found := make([][]string, limit+1) // by distance
	letters := Letters(word)
	for name := range names {
		longer := len(name) - len(word)
		// Each change adds at most one letter and removes at most one.
		if longer > limit || longer < -limit || bits.OnesCount32(letters^Letters(name)) > 2*limit {
			continue
		}
		d := Distance(word, name)
		if d <= limit && !slices.Contains(found[d], name) {
			found[d] = append(found[d], name)
		}
	}
	best := slices.Concat(found...)
	return best[:min(len(best), Most)]
}

// Limit returns the largest distance at which another word resembles this one.
func Limit(word string) int {
	switch {
	case len(word) > 4:
		return 2
	case len(word) > 2:
		return 1
	}
	return 0
}

// Letters returns the set of bytes in s, a few of which share a bit.
func Letters(s string) uint32 {
	var set uint32
	for i := range len(s) {
		set |= 1 << (s[i] & 31)
	}
	return set
}

// Distance returns the number of changes that turn a into b. A change inserts, removes or
// replaces a byte, or swaps two neighbours, and no byte changes twice (Damerau-Levenshtein,
// optimal string alignment). A word longer than Longest differs from all others in each byte.
func Distance(a, b string) int {
	if len(a) > Longest || len(b) > Longest {
		return max(len(a), len(b))
	}
	var rows [3][Longest + 1]uint8
	two, one, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		one[j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		row[0] = uint8(i)
		for j := 1; j <= len(b); j++ {
			change := one[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(one[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return int(one[len(b)])
}

// Question returns the question whether one of some words was meant: "did you mean a or b?". The
// prefix precedes each word, such as -- for options. Without words the result is empty.
func Question(prefix string, words ...string) string {
	if len(words) == 0 {
		return ""
	}
	return "did you mean " + prefix + strings.Join(words, " or "+prefix) + "?"
}
