package termlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// Attributes that a handler has printed are read back; the message is not.
func TestAttrsAreReadBack(t *testing.T) {
	var printed, again bytes.Buffer
	log := slog.New(New(&printed, Options{Marks: true, Own: true}))
	log.With("hook", "as-root").Warn("a=b \x1f c=d", "index", 1, "error", `no "such" device`, "empty", "")
	message, rest, found := strings.Cut(strings.TrimSuffix(printed.String(), "\n"), Separator)
	attrs, ok := Attrs(rest)
	if !found || !ok || message != `<4v>a=b \x1f c=d` {
		t.Fatalf("%q, %q: %v", message, rest, attrs)
	}
	slog.New(slog.NewJSONHandler(&again, nil)).LogAttrs(t.Context(), slog.LevelWarn, "x", attrs...)
	if want := `"msg":"x","hook":"as-root","index":1,"error":"no \"such\" device","empty":""}`; !strings.Contains(again.String(), want) {
		t.Errorf("the attributes are %s", again.String())
	}
}

// A line of a tenant's program cannot take the name of another vassal, or another form.
func TestAttrsOfTenants(t *testing.T) {
	for _, text := range []string{" vassal=b.ini", " a=b vassal=c", " msg=x", " level=ERROR", "a=b", " a", ` a="b`, " A=b", "  a=b", " a=b  c=d", strings.Repeat(" a=b", 17)} {
		if attrs, ok := Attrs(text); ok {
			t.Errorf("%q has the attributes %v", text, attrs)
		}
	}
}
