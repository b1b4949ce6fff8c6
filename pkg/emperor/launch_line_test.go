package emperor

import "testing"

// A vassal that leaves the line gets no place, and a place is passed on once.
func TestLaunchLine(t *testing.T) {
	var l launchLine
	a, b, c := &vassal{name: "a"}, &vassal{name: "b"}, &vassal{name: "c"}
	l.add(a)
	l.add(b)
	l.add(c)
	l.remove(b)
	if first := l.next(1); first != a || l.next(1) != nil {
		t.Fatalf("the first place is for %v", first)
	}
	l.release(a)
	l.release(a) // a slow launch has given up its place before its end
	if next := l.next(1); next != c || l.next(2) != nil || l.empty() {
		t.Errorf("the next place is for %v, and %d launches count", next, len(l.launching))
	}
	if l.release(c); !l.empty() {
		t.Errorf("%d launches count", len(l.launching))
	}
}
