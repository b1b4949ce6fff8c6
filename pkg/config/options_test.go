package config

import (
	"slices"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	t.Run("emperor", func(t *testing.T) { testTable(t, emperorOptions()) })
	t.Run("vassal", func(t *testing.T) { testTable(t, vassalOptions()) })
}

func testTable[T any](t *testing.T, rows table[T]) {
	seen := map[string]bool{"ini": true, "help": true, "version": true}
	for _, o := range rows {
		for _, name := range append([]string{o.name}, o.aliases...) {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if !slices.Contains(groups, o.group) {
			t.Errorf("%s: group %q is none of groups", o.name, o.group)
		}
		if o.help == "" || strings.HasSuffix(o.help, ".") || strings.Contains(o.help, "\n") {
			t.Errorf("%s: help %q is not one line without a full stop", o.name, o.help)
		}
		if o.set == nil {
			t.Errorf("%s has no setter", o.name)
		}
		if !slices.IsSorted(o.aliases) {
			t.Errorf("%s: aliases %q are not sorted", o.name, o.aliases)
		}
	}
}

// TestAreasAreSorted keeps each area's rows together by group, and sorted within.
// Rows of hooks are made in the order of time; the help sorts them.
func TestAreasAreSorted(t *testing.T) {
	for _, rows := range emperorAreas() {
		testSorted(t, rows)
	}
	for _, rows := range vassalAreas() {
		testSorted(t, rows)
	}
}

func testSorted[T any](t *testing.T, rows table[T]) {
	for i := range len(rows) - 1 {
		a, b := rows[i], rows[i+1]
		if slices.Index(groups, a.group) > slices.Index(groups, b.group) {
			t.Errorf("%s (%s) stands before %s (%s)", a.name, a.group, b.name, b.group)
		}
		if a.group == b.group && a.group != "Hooks" && a.name > b.name {
			t.Errorf("%s stands before %s", a.name, b.name)
		}
	}
}
