package namespaces

import (
	"os"
	"testing"
)

// The accounts of a process are looked up again only when it has moved.
func TestAccounts(t *testing.T) {
	self := os.Getpid()
	a := AccountsOf(self, Accounts{})
	if a.found == "" {
		t.Skip("there is no /proc, or it has no cgroups")
	}
	if a.Memory != MemoryCgroupOf(self) || a.Dir != CgroupDirOf(self) {
		t.Errorf("found %+v, want %+v and %q", a, MemoryCgroupOf(self), CgroupDirOf(self))
	}
	known := Accounts{Dir: "/known", found: a.found}
	if got := AccountsOf(self, known); got != known {
		t.Errorf("found %+v again, want %+v", got, known)
	}
	known.found = "0::/elsewhere\n"
	if got := AccountsOf(self, known); got != a {
		t.Errorf("after a move found %+v, want %+v", got, a)
	}
	if got := AccountsOf(1<<30, known); got != (Accounts{}) {
		t.Errorf("without a process found %+v", got)
	}
}

// The processor time comes from the line with that name alone.
func TestAccountsCPU(t *testing.T) {
	a := Accounts{Dir: t.TempDir()}
	if _, ok := a.CPU(); ok {
		t.Error("a cgroup that is gone has a time")
	}
	if err := os.WriteFile(a.Dir+"/cpu.stat", []byte("nr_usage_usec 7\nusage_usec 1500\nuser_usec 1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if used, ok := a.CPU(); !ok || used.Microseconds() != 1500 {
		t.Errorf("got %v, %v", used, ok)
	}
	if _, ok := (Accounts{}).CPU(); ok {
		t.Error("no cgroup has a time")
	}
}
