package config

import (
	"strings"
	"testing"
	"time"
)

// Our names and uWSGI's names of the backoff set the same two times.
func TestBackoffOptions(t *testing.T) {
	for args, want := range map[string]struct {
		first, longest time.Duration
		flat           bool
	}{
		"":                         {500 * time.Millisecond, 30 * time.Second, false},
		"--emperor-backoff 2":      {2 * time.Second, 30 * time.Second, false},
		"--emperor-throttle 2000":  {2 * time.Second, 30 * time.Second, false},
		"--emperor-throttle 60000": {time.Minute, time.Minute, false},
		"--emperor-backoff 1m":     {time.Minute, time.Minute, false},
		"--emperor-backoff-max 5 --emperor-backoff 1m":    {time.Minute, 5 * time.Second, false},
		"--emperor-max-throttle 180000":                   {500 * time.Millisecond, 3 * time.Minute, false},
		"--emperor-throttle 100 --emperor-max-throttle 9": {100 * time.Millisecond, 9 * time.Millisecond, false},
		"--emperor-no-blacklist":                          {500 * time.Millisecond, 30 * time.Second, true},
		"--emperor-throttle 100 --emperor-backoff 3":      {3 * time.Second, 30 * time.Second, false}, // the last one counts
	} {
		e, _, err := ownLoader.Emperor(append(strings.Fields(args), "/etc/vassals"))
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if e.Backoff != want.first || e.BackoffMax != want.longest || e.FlatBackoff != want.flat {
			t.Errorf("%q: %v, %v, %v, want %v", args, e.Backoff, e.BackoffMax, e.FlatBackoff, want)
		}
	}
}
