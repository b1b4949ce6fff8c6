package webserver

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// A pair that replaces another one of the same sizes and modification times is used.
func TestCertificateReplacedInOneTick(t *testing.T) {
	dir := t.TempDir()
	replace := func(name string) {
		t.Helper()
		certificate(t, dir, name)
		for _, file := range []string{filepath.Join(dir, "crt"), filepath.Join(dir, "key")} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, bytes.Repeat([]byte("\n"), 2048-len(text))...)
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, time.Time{}, time.Unix(1000, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	k := &keyPair{files: serving.Certificate{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}, log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"one", "two"} {
		replace(name)
		k.looked = time.Time{}
		pair, err := k.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := pair.Leaf.Subject.CommonName; got != name {
			t.Errorf("the certificate is of %q, not %q", got, name)
		}
	}
}
