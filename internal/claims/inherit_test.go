package claims

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A later emperor of the same process has the claims of the earlier one at each moment. It gives up
// claims that its monitors do not make again.
func TestInherit(t *testing.T) {
	file, dir, left := filepath.Join(t.TempDir(), "claims"), t.TempDir(), t.TempDir()
	first, _ := registry(t, file)
	for _, words := range [][]string{{"dir", left}, {"dir", dir}, {"entry", left, "a.ini"}} {
		h := first.NewHolder()
		if err := claimBy(h, words); err != nil {
			t.Fatal(err)
		}
	}
	other := func(want string, words ...string) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		cmd, got := other(ctx, t, append([]string{file}, words...)...)
		if !strings.Contains(got, want) {
			t.Errorf("another emperor, %v: %s", words, got)
		}
		end()
		_ = cmd.Wait()
	}
	const refused = "another emperor does"
	held := first.HandOver()
	first.Close()
	other(refused, "dir", dir)

	log := &strings.Builder{}
	second := Inherit(held, []string{file}, os.Geteuid(), slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(second.Close)
	if !second.Unsettled() || !second.Whole() || second.Path() != file {
		t.Errorf("unsettled %v, whole %v, path %q", second.Unsettled(), second.Whole(), second.Path())
	}
	other(refused, "dir", dir)
	h := second.NewHolder()
	if err := claimBy(h, []string{"dir", dir}); err != nil {
		t.Fatal(err)
	}
	other(refused, "dir", left)
	other(refused, "entry", left, "a.ini")
	second.Settle()
	if second.Unsettled() {
		t.Error("still unsettled")
	}
	other(refused, "dir", dir)
	other("claimed", "dir", left)
	if log.Len() > 0 {
		t.Error(log)
	}
	second.Close()
	if _, err := os.Lstat(file); err == nil {
		t.Error("the file is left")
	}
	other("claimed", "dir", dir)
}

// Claims in a file that is none of the later emperor's are made anew.
func TestInheritFromElsewhere(t *testing.T) {
	there, here, dir := filepath.Join(t.TempDir(), "claims"), filepath.Join(t.TempDir(), "claims"), t.TempDir()
	first, _ := registry(t, there)
	if err := claimBy(first.NewHolder(), []string{"dir", dir}); err != nil {
		t.Fatal(err)
	}
	second := Inherit(first.HandOver(), []string{here}, os.Geteuid(), slog.New(slog.DiscardHandler))
	defer second.Close()
	if second.Unsettled() || second.Path() != here {
		t.Errorf("unsettled %v, path %q", second.Unsettled(), second.Path())
	}
	if _, err := os.Lstat(there); err == nil {
		t.Error("the file of the earlier emperor is left")
	}
	if _, got := other(t.Context(), t, there, "dir", dir); got != "claimed" {
		t.Error(got)
	}
}
