package config

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

func TestCapabilities(t *testing.T) {
	for text, want := range map[string]namespaces.Capabilities{
		"net_bind_service": 1 << unix.CAP_NET_BIND_SERVICE, "chown, KILL": 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL, "CAP_sys_admin": 1 << unix.CAP_SYS_ADMIN,
		"21,0": 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_CHOWN, "none": 0, "checkpoint_restore": 1 << unix.CAP_CHECKPOINT_RESTORE,
	} {
		var c Capabilities
		if err := c.Parse(text); err != nil || !c.Set || c.List != want {
			t.Errorf("%q is %v, %v, want %v", text, c, err, want)
		}
		if given := c.Given(); given == nil || *given != want {
			t.Errorf("%q is given as %v", text, given)
		}
	}
	for text, want := range map[string]string{
		"": "no capability given", " , ": "no capability given", "64": `unknown capability "64"`, "none,chown": `unknown capability "none"`, "all": `unknown capability "all"`,
		"chown,sysadmin": `unknown capability "sysadmin"`, "-1": `unknown capability "-1"`,
	} {
		var c Capabilities
		if err := c.Parse(text); err == nil || !strings.HasPrefix(err.Error(), want) || c.Set {
			t.Errorf("%q is %v with error %v, want %q", text, c, err, want)
		}
	}
	if (Capabilities{}).Given() != nil {
		t.Error("without the option a list is given")
	}
}

func TestExceeding(t *testing.T) {
	v := defaultVassal()
	if err := v.Capabilities.Parse("sys_admin,kill,chown"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		allowed namespaces.Capabilities
		want    string
	}{
		{v.Capabilities.List, ""},
		{^namespaces.Capabilities(0), ""},
		{1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL, `"sys_admin" is not among emperor-cap`},
		{1 << unix.CAP_CHOWN, `"kill", "sys_admin" are not among emperor-cap`},
	} {
		if p, ok := v.Exceeding(&test.allowed); ok != (test.want != "") || p.What != test.want {
			t.Errorf("beside %v: %q, want %q", test.allowed, p.What, test.want)
		}
	}
	if _, ok := v.Exceeding(nil); ok {
		t.Error("without emperor-cap it is a problem")
	}
	none := namespaces.Capabilities(0)
	if _, ok := defaultVassal().Exceeding(&none); ok {
		t.Error("a vassal without cap is a problem")
	}
}
