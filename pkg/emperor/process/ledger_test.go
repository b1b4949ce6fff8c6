package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// dead is the identity of a process that has ended.
func dead(t *testing.T) namespaces.Identity {
	t.Helper()
	cmd, who := living(t)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return who
}

func living(t *testing.T) (*exec.Cmd, namespaces.Identity) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	who, err := namespaces.IdentityOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, who
}

func ledgerFiles(dir string) string {
	entries, _ := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return strings.Join(names, " ")
}

// Processes that a dead emperor has recorded are killed, and processes of a living one are not.
func TestLedgerSettles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	killed := *l
	killed.emperor = dead(t)
	outlived, who := living(t)
	_, spared := living(t)
	for _, err := range []error{
		killed.write("a/b\n.ini", 1, ledgerEntry{Vassal: dead(t)}),
		killed.write("a/b\n.ini", 1, ledgerEntry{Vassal: who}), // the last line counts
		killed.write("other.ini", 7, ledgerEntry{Vassal: dead(t)}),
		l.write("mine.ini", 1, ledgerEntry{Vassal: spared}),
		os.WriteFile(filepath.Join(dir, "garbage.1"), []byte("{\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "empty.1"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// An emperor that is killed while it writes leaves half a line.
	if err := add(killed.file("a/b\n.ini", 1), []byte(`{"vassal":{"pid":1`)); err != nil {
		t.Fatal(err)
	}
	found, err := l.CleanUp(t.Context())
	if err != nil || found != 2 {
		t.Errorf("found %d, %v", found, err)
	}
	if who.Lives() && !isZombie(outlived) {
		t.Error("a vassal of a dead emperor lives")
	}
	if !spared.Lives() {
		t.Error("a vassal of a living emperor was ended")
	}
	if got, want := ledgerFiles(dir), filepath.Base(l.file("mine.ini", 1)); got != want {
		t.Errorf("left %q, want %q", got, want)
	}
	l.forget("mine.ini", 1)
	l.forget("never.ini", 1)
	if got := ledgerFiles(dir); got != "" {
		t.Errorf("left %q in the end", got)
	}
}

func isZombie(cmd *exec.Cmd) bool { return namespaces.IsZombie(cmd.Process.Pid) }

// The directory is created when it is needed, also when a cleaner has removed it.
func TestLedgerMakesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "ledger")
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := l.CleanUp(t.Context()); found != 0 || err != nil {
		t.Errorf("without a directory: %d, %v", found, err)
	}
	l.emperor = dead(t)
	for i := range uint64(2) {
		if err := l.write("a.ini", i, ledgerEntry{}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("%v, %v", info, err)
		}
		if i == 0 {
			_ = os.RemoveAll(filepath.Dir(dir))
		}
	}
	if found, err := l.CleanUp(t.Context()); found != 1 || err != nil {
		t.Errorf("found %d, %v", found, err)
	}
	var none *Ledger
	if found, err := none.CleanUp(t.Context()); found != 0 || err != nil || none.write("a.ini", 1, ledgerEntry{}) != nil {
		t.Errorf("without a ledger: %d, %v", found, err)
	}
	none.forget("a.ini", 1)
}

// Resources that could not be removed in time stay recorded for the next emperor.
func TestLedgerKeepsWhatIsLeft(t *testing.T) {
	l, err := OpenLedger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l.emperor = dead(t)
	_, who := living(t)
	if err := l.write("a.ini", 1, ledgerEntry{Vassal: who}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.CleanUp(ctx); err == nil {
		t.Error("settled after its time was over")
	}
	if got, want := ledgerFiles(l.dir), filepath.Base(l.file("a.ini", 1)); got != want {
		t.Errorf("left %q, want %q", got, want)
	}
	if found, err := l.CleanUp(t.Context()); err != nil || found != 1 || ledgerFiles(l.dir) != "" {
		t.Errorf("a second time: found %d, %v", found, err)
	}
}
