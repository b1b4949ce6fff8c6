package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "007": 7 * time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1.5s": 1500 * time.Millisecond,
		"": -1, "-1": -1, "-1s": -1, "soon": -1, "1 s": -1, "1x": -1, " 1": -1, "1e3": -1, "0x10": -1, "99999999999": -1, "999999999h": -1,
	} {
		got, err := option.ParseDuration(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("option.ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseBool(t *testing.T) {
	for text, want := range map[string]bool{
		"false": false, "False": false, "OFF": false, "no": false, "0": false,
		"": true, "true": true, "1": true, "on": true, "yes": true, "00": true, "false # x": true, "nope": true,
	} {
		if got := option.ParseBool(text); got != want {
			t.Errorf("option.ParseBool(%q) = %v", text, got)
		}
	}
}

func TestParseWords(t *testing.T) {
	for text, want := range map[string][]string{
		`cat`: {"cat"}, `a  b`: {"a", "b"}, `a "b c" d`: {"a", "b c", "d"}, `a 'b "c' d`: {"a", `b "c`, "d"}, `a\ b`: {"a b"},
		`sh -c "x | y; $z"`: {"sh", "-c", "x | y; $z"}, `a ""`: {"a", ""}, `*.txt`: {"*.txt"},
		``: nil, `  `: nil, `a "b`: nil, `a 'b`: nil, `a\`: nil,
	} {
		got, err := option.ParseWords(text)
		if (err != nil) != (want == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("option.ParseWords(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestSettersOfDurations: after an error no usable time is left in the struct.
func TestSettersOfDurations(t *testing.T) {
	for _, text := range []string{"0", "", "x", "-5"} {
		if _, _, err := ownLoader.Emperor([]string{"--emperor-backoff=" + text, "/a"}); err == nil {
			t.Errorf("--emperor-backoff=%q is taken", text)
		}
	}
	e, _, err := ownLoader.Emperor([]string{"--emperor-hook-timeout=0", "--emperor-freq=0", "/a"})
	if err != nil || e.HookTimeout != 0 || e.Rescan != 0 {
		t.Errorf("0 is no time: %+v, %v", e, err)
	}
}
