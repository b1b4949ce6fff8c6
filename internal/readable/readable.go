// Package readable answers one question: how do people read names, times and sizes? Terminals and
// the page of an emperor show them in the same form.
package readable

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Clean replaces control characters in a vassal's name or text by escape sequences, so that they
// control neither a terminal nor the direction of a line.
func Clean(s string) string {
	bad := func(r rune) bool { return !strconv.IsPrint(r) }
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// Age returns the time since a moment, in its two largest units. For a zero moment it is empty.
func Age(since, now time.Time) string {
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

// Size formats a number of bytes. Zero is empty.
func Size(n uint64) string {
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

// Seconds formats a duration in seconds. Zero is empty.
func Seconds(s float64) string {
	if s == 0 {
		return ""
	}
	if s < 60 {
		return fmt.Sprintf("%.2fs", s)
	}
	now := time.Now()
	return Age(now.Add(-time.Duration(s*float64(time.Second))), now)
}

// Against returns a use with its limit, as 12M/128M; without a limit, the use.
func Against(use, limit string) string {
	if use == "" || limit == "" {
		return use
	}
	return use + "/" + limit
}
