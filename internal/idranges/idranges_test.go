package idranges

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// on makes a table in a new directory, on a host whose files have these lines.
func on(t *testing.T, pool Pool, host map[string]string) *Table {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(host[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	accounts, subs := accountFiles, subFiles
	t.Cleanup(func() { accountFiles, subFiles = accounts, subs })
	accountFiles, subFiles = []string{file("passwd"), file("group")}, []string{file("subuid"), file("subgid")}
	table, err := Open(filepath.Join(dir, "state"), pool)
	if err != nil {
		t.Fatal(err)
	}
	table.Busy = func() ([]Range, error) { return nil, nil }
	table.Exists = func(string) bool { return true }
	return table
}

func hold(t *testing.T, table *Table, path string, owner uint32) uint32 {
	t.Helper()
	r, release, err := table.Hold(Key{path, owner})
	if err != nil {
		t.Fatal(err)
	}
	release()
	return r.First
}

func TestRangesStay(t *testing.T) {
	table := on(t, Pool{100000, 1000, 10}, map[string]string{
		"passwd": "root:x:0:0::/:/bin/sh\nbig:x:100999:1::/:/bin/sh\n", "group": "g:x:102000:\n",
		"subuid": "emperor:100000:100000\nuser:103500:10\n", "subgid": "other:104000:1000\n",
	})
	table.Busy = func() ([]Range, error) { return []Range{{99000, 1001 + 5000}}, nil } // up to 105000
	for i, want := range []uint32{106000, 107000, 106000} {
		if got := hold(t, table, fmt.Sprint("/v/", i%2), 0); got != want {
			t.Errorf("vassal %d has %d, not %d", i, got, want)
		}
	}
	if got := hold(t, table, "/v/0", 1001); got != 108000 {
		t.Errorf("the file of another owner has %d", got)
	}
	table.Busy = func() ([]Range, error) { return []Range{{106000, 1000}}, nil }
	if got := hold(t, table, "/v/0", 0); got != 106000 {
		t.Errorf("a vassal with processes has %d", got)
	}
}

func TestFreedRanges(t *testing.T) {
	table := on(t, Pool{100000, 10, 2}, nil)
	hold(t, table, "/v/a\n\"b", 0)
	second := hold(t, table, "/v/b", 0)
	if _, _, err := table.Hold(Key{"/v/c", 0}); err == nil || !strings.Contains(err.Error(), "none of 2 id ranges is free") {
		t.Errorf("a third vassal of two: %v", err)
	}
	table.Exists = func(path string) bool { return path != "/v/b" }
	table.Busy = func() ([]Range, error) { return []Range{{second, 1}}, nil }
	if _, _, err := table.Hold(Key{"/v/c", 0}); err == nil {
		t.Error("the range of living processes belongs to another vassal")
	}
	table.Busy = func() ([]Range, error) { return nil, nil }
	if got := hold(t, table, "/v/c", 0); got != second {
		t.Errorf("the third vassal has %d", got)
	}
	table.pool = Pool{200000, 10, 1}
	if got := hold(t, table, "/v/c", 0); got != 200000 {
		t.Errorf("in another pool it has %d", got)
	}
}

// A table that cannot be read gives no ranges.
func TestDamagedTable(t *testing.T) {
	table := on(t, Pool{100000, 10, 2}, nil)
	if err := os.WriteFile(filepath.Join(table.dir, File), []byte("100000 10 0 \"/v/a\"\nrubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := table.Hold(Key{"/v/b", 0}); err == nil || !strings.Contains(err.Error(), "id-ranges:2:") {
		t.Errorf("a damaged table: %v", err)
	}
	if err := os.Chmod(table.dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(table.dir, table.pool); err == nil {
		t.Error("a directory in which others can write is accepted")
	}
}

// Many launches of two emperors at a time get different ranges.
func TestConcurrentHolds(t *testing.T) {
	first := on(t, Pool{100000, 10, 100}, nil)
	second := *first
	var mu sync.Mutex
	var all []uint32
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			r, release, err := []*Table{first, &second}[i%2].Hold(Key{fmt.Sprint("/v/", i), 0})
			if err != nil {
				t.Error(err)
				return
			}
			release()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r.First)
		})
	}
	wait.Wait()
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 40 {
		t.Errorf("%d ranges for 40 vassals", n)
	}
}

func TestDelegated(t *testing.T) {
	on(t, Pool{1, 1, 1}, map[string]string{"subuid": "a:100000:65536\nemperor:200000:1000\nemperor:300000:70000\n", "subgid": "# comment\nemperor:300100:100000\n"})
	if r, err := Delegated("emperor"); err != nil || r != (Range{300100, 69900}) {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := Delegated("a"); err == nil || !strings.Contains(err.Error(), `no range for "a" (usermod`) {
		t.Errorf("%v", err)
	}
}
