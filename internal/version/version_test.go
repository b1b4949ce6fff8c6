package version

import "testing"

func TestLine(t *testing.T) {
	for _, c := range []struct{ commit, date, want string }{
		{"", "", "emperor " + Number},
		{"0a1b2c3", "2026-11-30", "emperor " + Number + " (0a1b2c3, 2026-11-30)"},
		{"0a1b2c3", "", "emperor " + Number + " (0a1b2c3)"},
		{"", "2026-11-30", "emperor " + Number + " (2026-11-30)"},
	} {
		commit, date = c.commit, c.date
		if got := Line("emperor"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
