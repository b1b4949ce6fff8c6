package config

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// longest is the length of the longest key that nearest looks at.
const longest = 64

// nearest returns the names that key may have been meant to be, at most three,
// the most likely first. Names of one letter's difference in a short key, or two
// in a longer one, count; of three letters, which are near to too much, only those
// in another order. Earlier names win over equally near ones.
func nearest(key string, names iter.Seq[string]) []string {
	limit := 1
	if len(key) > 4 {
		limit = 2
	}
	if len(key) < 3 || len(key) > longest {
		return nil
	}
	type near struct {
		name     string
		distance int
	}
	var found []near
	letters := alphabet(key)
	for name := range names {
		longer := len(name) - len(key)
		// Each change puts at most one letter in and takes at most one out.
		if len(key) == 3 && letters != alphabet(name) || longer > limit || longer < -limit || len(name) > longest || bits.OnesCount32(letters^alphabet(name)) > 2*limit {
			continue
		}
		d := distance(key, name)
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

// alphabet is the set of bytes in s, a few of which share a place.
func alphabet(s string) uint32 {
	var set uint32
	for i := range len(s) {
		set |= 1 << (s[i] & 31)
	}
	return set
}

// distance is the least number of bytes inserted, dropped, changed or swapped
// with their neighbour that make b of a, no byte touched twice
// (Damerau-Levenshtein, optimal string alignment). Neither is longer than longest.
func distance(a, b string) int {
	var rows [3][longest + 1]int
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
