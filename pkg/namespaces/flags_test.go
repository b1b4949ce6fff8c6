package namespaces

import "testing"

func TestParseFlags(t *testing.T) {
	tests := []struct {
		list, want, err string
	}{
		{list: "pid,uts,net,ipc,fs", want: "pid,uts,net,ipc,fs"},
		{list: "fs,ipc,net,uts,pid", want: "pid,uts,net,ipc,fs"},
		{list: " net  pid,\tuts ,", want: "pid,uts,net"},
		{list: "net,net", want: "net"},
		{list: "mnt", want: "fs"},
		{list: "mount", want: "fs"},
		{list: "ns", want: "fs"},
		{list: "time,cgroup,user", want: "user,cgroup,time"},
		{list: "", err: `no namespace given (known: pid,uts,net,ipc,fs,user,cgroup,time)`},
		{list: " , ", err: `no namespace given (known: pid,uts,net,ipc,fs,user,cgroup,time)`},
		{list: "pid,disk", err: `unknown namespace "disk" (known: pid,uts,net,ipc,fs,user,cgroup,time)`},
		{list: "PID", err: `unknown namespace "PID" (known: pid,uts,net,ipc,fs,user,cgroup,time)`},
		{list: "net\n", err: `unknown namespace "net\n" (known: pid,uts,net,ipc,fs,user,cgroup,time)`},
	}
	for _, test := range tests {
		f, err := ParseFlags(test.list)
		switch {
		case test.err != "":
			if err == nil || err.Error() != test.err || f != 0 {
				t.Errorf("ParseFlags(%q): %v, %v, want %s", test.list, f, err, test.err)
			}
		case err != nil || f.String() != test.want:
			t.Errorf("ParseFlags(%q): %v, %v, want %s", test.list, f, err, test.want)
		}
	}
}

func TestFlagsHas(t *testing.T) {
	f := NewPID | NewNet
	if !f.Has(NewPID) || !f.Has(NewPID|NewNet) || f.Has(NewPID|NewUser) || f.Has(NewMount) {
		t.Errorf("%v says it has what it has not, or the reverse", f)
	}
	if none := Flags(0).String(); none != "" {
		t.Errorf("no flags print as %q", none)
	}
}
