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

// TestAreasAreSorted keeps each area's rows together by group and sorted within.
func TestAreasAreSorted(t *testing.T) {
	for name, rows := range map[string][][2]string{
		"monitor": names(monitorOptions()), "vassals": names(vassalsOptions()), "process": names(processOptions()),
		"boot": names(bootOptions()), "privilege": names(privilegeOptions()), "socket": names(socketOptions()),
		"serving": names(servingOptions()), "server": names(serverOptions()),
	} {
		for i, row := range rows[1:] {
			before := rows[i]
			if slices.Index(groups, row[0]) < slices.Index(groups, before[0]) {
				t.Errorf("%sOptions: %s (%s) stands behind group %s", name, row[1], row[0], before[0])
			}
			if row[0] == before[0] && row[1] < before[1] {
				t.Errorf("%sOptions: %s stands behind %s", name, row[1], before[1])
			}
		}
	}
}

func names[T any](rows table[T]) [][2]string {
	var list [][2]string
	for _, o := range rows {
		list = append(list, [2]string{o.group, o.name})
	}
	return list
}
