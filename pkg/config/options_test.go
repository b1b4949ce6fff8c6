package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/option"
)

func TestTables(t *testing.T) {
	t.Run("emperor", func(t *testing.T) { testTable(t, emperorOptions) })
	t.Run("vassal", func(t *testing.T) { testTable(t, vassalOptions) })
}

func testTable[T any](t *testing.T, rows table[T]) {
	var names []string
	for o := range rows.all {
		names = append(append(names, o.Name), o.Aliases...)
	}
	if got := slices.Collect(rows.names); !slices.Equal(got, names) {
		t.Errorf("names are %q, want %q", got, names)
	}
	seen := map[string]bool{"ini": true, "help": true, "version": true}
	for o := range rows.all {
		for _, name := range append([]string{o.Name}, o.Aliases...) {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if !slices.Contains(groups, o.Group) {
			t.Errorf("%s: group %q is none of groups", o.Name, o.Group)
		}
		if o.Help == "" || strings.HasSuffix(o.Help, ".") || strings.Contains(o.Help, "\n") {
			t.Errorf("%s: help %q is not one line without a full stop", o.Name, o.Help)
		}
		if (o.Set == nil) == (o.Into == nil) {
			t.Errorf("%s does not have one of Set and Into", o.Name)
		}
		for _, name := range append([]string{o.Name}, o.Aliases...) {
			if found := rows.find(name); found == nil || found.Name != o.Name {
				t.Errorf("%s is not found", name)
			}
		}
		if !slices.IsSorted(o.Aliases) {
			t.Errorf("%s: aliases %q are not sorted", o.Name, o.Aliases)
		}
	}
}

// TestAreasAreSorted keeps each area's rows together by group, and sorted within. Rows of
// hooks have the order of time; the help sorts them.
func TestAreasAreSorted(t *testing.T) {
	for _, area := range emperorOptions {
		testSorted(t, area)
	}
	for _, area := range vassalOptions {
		testSorted(t, area)
	}
}

func testSorted[T any](t *testing.T, area option.Area[T]) {
	rows := slices.Collect(area.All)
	for i := range len(rows) - 1 {
		a, b := rows[i], rows[i+1]
		if slices.Index(groups, a.Group) > slices.Index(groups, b.Group) {
			t.Errorf("%s (%s) stands before %s (%s)", a.Name, a.Group, b.Name, b.Group)
		}
		if a.Group == b.Group && a.Group != "Hooks" && a.Name > b.Name {
			t.Errorf("%s stands before %s", a.Name, b.Name)
		}
	}
}

// The emperor reads files of tenants: no value of an option may crash it.
func TestOddValues(t *testing.T) {
	t.Run("emperor", func(t *testing.T) { testOddValues(t, emperorOptions, defaultEmperor) })
	t.Run("vassal", func(t *testing.T) { testOddValues(t, vassalOptions, defaultVassal) })
}

func testOddValues[T any](t *testing.T, rows table[T], zero func() *T) {
	for o := range rows.all {
		for _, text := range []string{"", " ", ",", ",,,,,,,,", "=", "==", ":", "::", "a", "a,b", "a=b", "a b", "/", "-", "!", "'", "\"", "(", "[", "%", "$", "0", "-1", "99999999999999999999", ":80", "\x00", "\xff"} {
			func() {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("%s = %q: %v", o.Name, text, r)
					}
				}()
				_ = o.Put(zero(), option.Value{Text: text}) // it may be an error
			}()
		}
	}
}
