package control

import "testing"

// A word is the full name of one vassal; only patterns match names without .ini too.
func TestSelects(t *testing.T) {
	for _, tt := range []struct {
		word, name string
		want       bool
	}{
		{"a", "a", true},
		{"a", "a.ini", false},
		{"a.ini", "a.ini", true},
		{"a.ini", "a", false},
		{"a*", "a.ini", true},
		{"?", "a.ini", true},
		{"*.ini", "a.ini", true},
		{"b*", "a.ini", false},
		{"[", "[", false},
	} {
		if got := Selects(tt.word, tt.name); got != tt.want {
			t.Errorf("%q selects %q: %v", tt.word, tt.name, got)
		}
	}
}
