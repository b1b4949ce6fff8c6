package config

import "testing"

func TestIsEmperors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"/etc/emperor.ini", "", true},
		{"main.ini", "[uwsgi]\nemperor = /etc/vassals\n", true},
		{"main.ini", "[emperor]\r\n  emperor=/etc/vassals", true},
		{"web.ini", "[uwsgi]\nhttp-socket = :80\nemperor-freq = 3", false},
		{"web.ini", "[other]\nemperor = x\n[uwsgi]\n;emperor = x", false},
		{"web.ini", "", false},
	} {
		if got := IsEmperors(c.name, []byte(c.text)); got != c.want {
			t.Errorf("IsEmperors(%q, %q) = %v", c.name, c.text, got)
		}
	}
}
