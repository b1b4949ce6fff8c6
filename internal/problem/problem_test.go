package problem

import (
	"testing"
)

func TestProblems(t *testing.T) {
	var ps Problems
	if err := ps.Err(); err != nil {
		t.Errorf("no problems are an error: %v", err)
	}
	ps.Add(Origin{File: "b.ini", Line: 2}, "uid", "wrong", "try 1")
	ps.Add(Origin{File: "a.ini", Line: 10}, "", "odd", "")
	ps.Add(Origin{File: "a.ini", Line: 9}, "gid", "wrong", "")
	ps.Add(Origin{File: "a.ini"}, "", "there is no section", "write one")
	ps.Add(Origin{}, "--x", "unknown", "")
	want := "command line: --x: unknown\na.ini: there is no section (write one)\na.ini:9: gid: wrong\na.ini:10: odd\nb.ini:2: uid: wrong (try 1)"
	if err := ps.Err(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
