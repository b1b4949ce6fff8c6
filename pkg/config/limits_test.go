package config

import (
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Limits are megabytes and numbers; a tenant's own file can only lower the limits of a template.
func TestLimits(t *testing.T) {
	for text, want := range map[string]Limits{
		"limit-as = 512\nlimit-nproc = 7": {512 << 20, 7},
		"limit-as = 512\nlimit-as = 1024": {AddressSpace: 1024 << 20},
		"limit-as = 0":                    {},
	} {
		v, _, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\ncommand = x\n" + text + "\n")})
		if err != nil || v.Limits != want {
			t.Errorf("%q: %+v, %v", text, v, err)
		}
	}
	for _, wrong := range []string{"limit-as = 1g", "limit-as = -1", "limit-nproc = many", "limit-as = 99999999999999"} {
		if _, _, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\ncommand = x\n" + wrong + "\n")}); err == nil || !strings.Contains(err.Error(), "is not a number of") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	for text, want := range map[string]uint64{"limit-as = 50": 50, "limit-as = 200": 100, "limit-as = 0": 100} {
		v := defaultVassal()
		v.Limits.AddressSpace = 100 << 20
		_, number, _ := strings.Cut(text, "= ")
		if o := vassalOptions.find("limit-as"); o.Put(v, option.Value{Text: number, Tenant: true}) != nil || v.Limits.AddressSpace != want<<20 {
			t.Errorf("a tenant's %s below a limit of 100 is %d", text, v.Limits.AddressSpace)
		}
	}
}
