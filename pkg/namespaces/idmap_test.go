package namespaces

import (
	"fmt"
	"testing"
)

func TestMap(t *testing.T) {
	for _, c := range []struct {
		keep []uint32
		want string
	}{
		{nil, "0-99>1000"},
		{[]uint32{0}, "0-0>0 1-99>1001"},
		{[]uint32{7}, "0-6>1000 7-7>7 8-99>1008"},
		{[]uint32{99}, "0-98>1000 99-99>99"},
		{[]uint32{100}, "0-99>1000 100-100>100"},
		{[]uint32{5000, 7, 8, 7}, "0-6>1000 7-7>7 8-8>8 9-99>1009 5000-5000>5000"},
	} {
		got := ""
		for _, m := range (IDRange{1000, 100}).Map(c.keep...) {
			got += fmt.Sprintf(" %d-%d>%d", m.ContainerID, m.ContainerID+m.Size-1, m.HostID)
		}
		if got != " "+c.want {
			t.Errorf("%v: %q, not %q", c.keep, got, c.want)
		}
	}
	ids := IDs{UIDs: (IDRange{1000, 100}).Map(7), GIDs: (IDRange{1000, 100}).Map(5000)}
	for _, c := range []struct {
		uid, gid uint32
		want     string
	}{{0, 0, "1000 1000 true"}, {7, 5000, "7 5000 true"}, {8, 99, "1008 1099 true"}, {100, 0, "-1 1000 false"}} {
		uid, gid, ok := ids.Outside(c.uid, c.gid)
		if got := fmt.Sprintln(uid, gid, ok); got != c.want+"\n" {
			t.Errorf("%d:%d is %s", c.uid, c.gid, got)
		}
	}
}

// Each of the ids of files is one of the range, and no id on disk is root's in it.
func TestFilesOf(t *testing.T) {
	maps, ok := (IDRange{100000, 65536}).FilesOf(4001, 33, 4001)
	got := ""
	for _, m := range maps {
		got += fmt.Sprintf(" %d-%d>%d", m.ContainerID, m.ContainerID+m.Size-1, m.HostID)
	}
	if want := " 0-32>0 33-33>100033 34-4000>34 4001-4001>104001 4002-99999>4002"; got != want || !ok {
		t.Errorf("%q, not %q", got, want)
	}
	if _, ok := (IDRange{100000, 100}).FilesOf(100); ok {
		t.Error("an id above the range has an owner")
	}
}
