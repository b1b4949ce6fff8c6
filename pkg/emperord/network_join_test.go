package emperord

import (
	"testing"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// A vassal joins the network of the vassal with exactly that name, and only without one of the vassal with .ini.
func TestJoinedByName(t *testing.T) {
	c := &connected{vassals: map[string]control.NetworkLink{}, places: map[string]emperor.Attachment{}}
	joined := func(kind spec.Kind, of string) int {
		_, index := c.of(spec.Mode{Kind: kind, Of: of})
		return int(index)
	}
	for i, name := range []string{"b.ini", "shop.ini", "shop"} {
		c.vassals[name] = control.NetworkLink{Vassal: name, Index: i + 1}
		if name == "shop.ini" && joined(spec.Join, "shop") != i+1 {
			t.Errorf("shop is not %s", name)
		}
	}
	for range 20 { // a map has no order
		if joined(spec.Join, "shop") != 3 || joined(spec.Join, "shop.ini") != 2 || joined(spec.Join, "b") != 1 {
			t.Fatalf("shop is %d, shop.ini %d, b %d", joined(spec.Join, "shop"), joined(spec.Join, "shop.ini"), joined(spec.Join, "b"))
		}
	}
	if joined(spec.Join, "none") != 0 || joined(spec.Routed, "shop") != 0 {
		t.Error("a vassal joins without a host")
	}
}
