//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTenantsExample: the example with a customer, on a host that may have no controllers of cgroups.
func TestTenantsExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("shop/index.html", "the shop")
	w.write("template.ini", example(t, "tenants/template.ini"))
	w.write("emperor.ini", example(t, "tenants/emperor.ini", "/srv/vassals", w.vassals, "/etc/emperor/template.ini", w.path("template.ini")))
	customers := example(t, "tenants/vassals/shop.ini", "/srv/shop", w.path("shop"))
	w.owned(w.vassals+"/shop.ini", 4001, customers)
	e := w.startOver("--ini", w.path("emperor.ini"), "--emperor-limits", "best-effort", "--state-dir", w.path("state"), "--vassal-set", w.visible())
	pid := e.running("shop.ini")
	if got := w.run("curl -sS --retry 5 --retry-connrefused http://" + w.attachment("shop.ini").Network.Addresses[0].String() + ":8080/"); got != "the shop" {
		t.Errorf("it answers %q", got)
	}
	text := w.run(fmt.Sprintf("cat /proc/%d/status /proc/%[1]d/limits", pid))
	for name, want := range map[string]string{"Uid:": status4001, "CapBnd:": noCapabilities, "NoNewPrivs:": "1", "Seccomp:": "2", "Max open files": "4096 4096 files"} {
		if got := line(text, name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	if host := output(t, w.entered("shop", "cat", "/proc/sys/kernel/hostname")); host != "tenant" {
		t.Errorf("its host name is %q", host)
	}
	w.owned(w.vassals+"/shop.ini", 4001, customers+"exec-as-root = id\n")
	if said := e.await("shop.ini", "exec-as-root: not permitted in a tenant's own file"); !strings.Contains(said.raw, w.vassals+"/shop.ini:8: ") {
		t.Errorf("it says %s", said.raw)
	}
	e.undisturbed("shop.ini", pid)
}
