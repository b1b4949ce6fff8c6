package config

import (
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// TestAttributeHooks: permitted hooks are returned in the order of the kinds; others are left
// out, and a tenant's is an error.
func TestAttributeHooks(t *testing.T) {
	text := "[vassal]\nexec-as-emperor = not here\n[emperor]\nexec-as-emperor = one\nexec-as-emperor = -two\nhook-as-emperor = print:zero\n" +
		"exec-on-vassal-ready = ready\nother = x\nexec-emperor-start = never\nexec-as-root = never\n"
	src := Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(text)}
	set, warnings, err := AttributeHooks(src, []string{"exec-as-emperor", "hook-as-emperor"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range set[hooks.AsEmperor] {
		got = append(got, h.Spec().Text+" "+h.Spec().Origin)
	}
	if want := "print:zero /v/a.ini:6,one /v/a.ini:4,-two /v/a.ini:5"; strings.Join(got, ",") != want || len(set) != 1 {
		t.Errorf("hooks %q, want %q; phases: %d", got, want, len(set))
	}
	want := "/v/a.ini:7: exec-on-vassal-ready: the operator does not allow this hook here (emperor-allow-attr = exec-on-vassal-ready among the emperor's options)"
	if warnings.Error() != want {
		t.Errorf("warnings: %v\nwant: %s", warnings, want)
	}
	src.Tenant = true
	if set, _, err := AttributeHooks(src, Allowable()); len(set) > 0 || err == nil || strings.Count(err.Error(), "not permitted in a tenant's own file") != 4 {
		t.Errorf("a tenant's: %v, %v", set, err)
	}
	src = Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[emperor]\nhook-as-emperor = fly:away\n")}
	if _, _, err := AttributeHooks(src, Allowable()); err == nil || !strings.HasPrefix(err.Error(), "/v/a.ini:2: hook-as-emperor: ") {
		t.Errorf("a wrong one: %v", err)
	}
	src.Name = "a.yml"
	if set, _, err := AttributeHooks(src, Allowable()); set != nil || err != nil {
		t.Errorf("of a file that is no ini: %v, %v", set, err)
	}
}
