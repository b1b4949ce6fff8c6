package emperord

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// TestUnowned: a configuration whose owner no rule has judged, from another source than files, is no way
// around the rules.
func TestUnowned(t *testing.T) {
	for _, c := range []struct {
		tyrant config.Tyrant
		uid    uint32
		want   bool
	}{
		{config.Tyrant{}, 0, true},
		{config.Tyrant{On: true, MinUID: 1000}, 0, false},
		{config.Tyrant{On: true, MinUID: 1000}, uint32(os.Geteuid()), false},
		{config.Tyrant{On: true, MinUID: 1000, Operator: true}, 0, true},
		{config.Tyrant{On: true, MinUID: 1000, Operator: true}, 33, false},
		{config.Tyrant{On: true, MinUID: 1000}, 4001, true},
	} {
		r := &reading{tyrant: tenants{Tyrant: c.tyrant}}
		if err := r.unowned(monitor.Config{Path: "/a.ini", UID: c.uid}); (err == nil) != c.want {
			t.Errorf("%+v, uid %d: %v", c.tyrant, c.uid, err)
		}
	}
}

// TestSayToEmperor: a tenant's section [emperor] has no effect, and what the emperor would take from it is a mistake.
func TestSayToEmperor(t *testing.T) {
	r := &reading{tyrant: tenants{Tyrant: config.Tyrant{On: true, MinUID: 1000}}, attrs: []string{"domain", "", ""}}
	c := monitor.Config{Name: "a.ini", Path: "/v/a.ini", UID: 4001, Data: []byte("[emperor]\ndomain = x\nother = y\n[uwsgi]\ncommand = cat\n")}
	if got := r.attributes(c); got != nil {
		t.Errorf("the attributes are %v", got)
	}
	if err := r.sayToEmperor(c); err == nil || !strings.Contains(err.Error(), "/v/a.ini: domain: the emperor takes nothing") || strings.Contains(err.Error(), "other") {
		t.Errorf("got %v", err)
	}
	if c.UID = 0; r.attributes(c)["domain"] != "x" {
		t.Error("the operator's attributes are gone")
	}
}

// TestSplit: tenants see the variables that vassals get, and the operator's text sees all.
func TestSplit(t *testing.T) {
	e := split([]string{"PATH=/bin", "TOKEN=x", "UWSGI_STRICT=1"}, func(name string) bool { return name == "PATH" })
	if !slices.Equal(e.own, []string{"PATH=/bin", "UWSGI_STRICT=1"}) || !slices.Equal(e.secrets, []string{"TOKEN=x"}) {
		t.Errorf("got %+v", e)
	}
}
