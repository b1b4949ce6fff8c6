package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// clean replaces control characters in a vassal's name or text by escape sequences, so that they
// cannot control the terminal.
func clean(s string) string {
	bad := func(r rune) bool { return !strconv.IsPrint(r) }
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// age returns the time since a moment, in its two largest units.
func age(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := max(0, now.Sub(since))
	day := 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// size formats a number of bytes for people.
func size(n uint64) string {
	if n == 0 {
		return ""
	}
	f, unit := float64(n), 0
	for ; f >= 999.5 && unit < 4; unit++ {
		f /= 1024
	}
	suffix := []string{"B", "K", "M", "G", "T"}[unit]
	if unit > 0 && f < 9.95 {
		return fmt.Sprintf("%.1f%s", f, suffix)
	}
	return fmt.Sprintf("%.0f%s", f, suffix)
}

func seconds(s float64) string {
	if s == 0 {
		return ""
	}
	if s < 60 {
		return fmt.Sprintf("%.2fs", s)
	}
	return age(time.Now().Add(-time.Duration(s*float64(time.Second))), time.Now())
}
