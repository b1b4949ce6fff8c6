package emperor

import "testing"

// At most limit vassals reload at a time, and vassals that cannot reload any more lose their turn.
func TestRound(t *testing.T) {
	var r round
	vassals := map[string]*vassal{}
	for name, state := range map[string]State{"a": Running, "b": Stopping, "c": Running, "d": Running} {
		vassals[name] = &vassal{name: name, state: state}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		r.add(vassals[name])
	}
	turn := r.next(2)
	if len(turn) != 2 || turn[0].name != "a" || turn[1].name != "c" || r.contains(vassals["b"]) || !r.contains(vassals["d"]) {
		t.Fatalf("the turn of %v has come", turn)
	}
	r.reloading += 2
	if turn = r.next(2); len(turn) != 0 {
		t.Errorf("more than 2 reload")
	}
	r.reloading--
	if turn = r.next(2); len(turn) != 1 || turn[0].name != "d" {
		t.Errorf("the next turn is for %v", turn)
	}
	if r.reloading--; r.rolling() {
		t.Error("the round does not end")
	}
}
