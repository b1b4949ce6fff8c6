package procstat

import (
	"os"
	"strconv"
	"testing"
)

// TestParse: a name may look like the rest of the line.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, name, state string
		flags             uint64
		ok                bool
	}{
		{"42 (cat) S 1 42 42 0 -1 4194304 7\n", "cat", "S", 4194304, true},
		{"42 (a) Z 1 (b) c) D 1 42 42 0 -1 4 7\n", "a) Z 1 (b) c", "D", 4, true},
		{"42 () T 1\n", "", "T", 0, true},
		{"42 (cat)", "", "", 0, false},
		{"42 )cat( S 1", "", "", 0, false},
		{"", "", "", 0, false},
	} {
		s, ok := Parse([]byte(c.text))
		if ok != c.ok || s.Name != c.name || s.State != c.state || s.Number(Flags) != c.flags {
			t.Errorf("%q: %+v (%v)", c.text, s, ok)
		}
		if s.Number(3) != 0 || s.Number(0) != 0 {
			t.Errorf("%q: the state is a number", c.text)
		}
	}
}

// TestRead compares the file of this process with the kernel's other reports.
func TestRead(t *testing.T) {
	s, ok := Read("self")
	if !ok || s.State != "R" && s.State != "S" {
		t.Fatalf("%+v (%v)", s, ok)
	}
	if got, want := s.Number(4), uint64(os.Getppid()); got != want {
		t.Errorf("parent %d, want %d", got, want)
	}
	if s.Number(ResidentPages) == 0 || s.Number(ArgStart) == 0 || s.Number(ArgEnd) <= s.Number(ArgStart) {
		t.Errorf("memory: %+v", s)
	}
	if _, ok := Read(strconv.Itoa(1 << 30)); ok {
		t.Error("a process that does not exist has a file")
	}
}
