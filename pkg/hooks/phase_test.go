package hooks

import "testing"

func TestByOption(t *testing.T) {
	for _, info := range Phases() {
		for _, kind := range info.Kinds {
			name := Spec{Phase: info.Phase, Kind: kind}.Option()
			if got, k, ok := ByOption(name); !ok || k != kind || got.Phase != info.Phase {
				t.Errorf("%s is %v %v %v", name, got.Phase, k, ok)
			}
		}
	}
	for _, name := range []string{"", "-", "exec", "exec-", "as-root", "exec-as-nobody", "call-as-root9", "call", "call-1", "program-as-vassal", "exec-vassals-start"} {
		if info, kind, ok := ByOption(name); ok {
			t.Errorf("%q is %v of %v", name, kind, info.Phase)
		}
	}
}
