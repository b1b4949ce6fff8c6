package process

import (
	"strings"
	"testing"
	"time"
)

// A flood is passed on at the limited rate, with a count of lost lines, and never from the
// middle of a line on.
func TestPrintingOfAFlood(t *testing.T) {
	var passed, notes, bytes int
	p := outputReader{line: func(line []byte) {
		text := string(line)
		switch {
		case strings.HasPrefix(text, "<4v>") && strings.HasSuffix(text, "log accepts\n"):
			notes++
		case text == strings.Repeat("x", 100)+"\n":
			passed++
			bytes += len(line) + lineCost
		case strings.Trim(text, "x") == "": // the beginning of the lost part
		default:
			t.Fatalf("a piece of a line: %q", text)
		}
	}}
	flood, now := []byte(strings.Repeat(strings.Repeat("x", 100)+"\n", 50)), time.Now()
	for i := range 40000 { // 10 s
		at := i * 4096 % 101
		p.accept(flood[at:at+4096], now)
		now = now.Add(250 * time.Microsecond)
	}
	if most := printBurst + 11*printRate; bytes > most || bytes < most/2 {
		t.Errorf("%d bytes in 10 s, want up to %d", bytes, most)
	}
	if notes == 0 || notes > 25 {
		t.Errorf("told %d times", notes)
	}
}

// A vassal that prints much, but within the rate, loses nothing.
func TestPrintingOfMuch(t *testing.T) {
	lines := 0
	p := outputReader{line: func(line []byte) {
		if strings.HasPrefix(string(line), "<4v>") {
			t.Fatal(string(line))
		}
		lines++
	}}
	text, now := []byte(strings.Repeat(strings.Repeat("x", 999)+"\n", 4)), time.Now()
	for range 20000 { // 80 MB in 40 s
		p.accept(text, now)
		now = now.Add(2 * time.Millisecond)
	}
	if lines != 80000 {
		t.Errorf("%d lines", lines)
	}
}

// A pipe full of empty lines costs less than the burst.
func TestPiecesCanBePaidFor(t *testing.T) {
	if worst := printTaken / 16 * (1 + lineCost); worst > printBurst/2 {
		t.Errorf("a piece may cost %d, and there is never more than %d", worst, printBurst)
	}
}
