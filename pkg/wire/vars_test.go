package wire

import (
	"maps"
	"testing"
)

func TestParseVars(t *testing.T) {
	good := "\x00\x13\x00\x00\x03\x00cmd\x04\x00stop\x01\x00v\x03\x00a.i"
	vars, err := ParseVars([]byte(good))
	if want := map[string]string{"cmd": "stop", "v": "a.i"}; err != nil || !maps.Equal(vars, want) {
		t.Errorf("%q: %v, %v", good, vars, err)
	}
	if vars, err := ParseVars(make([]byte, 4)); err != nil || len(vars) > 0 {
		t.Errorf("an empty one: %v, %v", vars, err)
	}
	for _, bad := range []string{"", "abc", good[:len(good)-1], good + "x", "\x00\x03\x00\x00\x03\x00c", "\x00\x01\x00\x00\x03", "\x00\x05\x00\x00\x03\x00cmd"} {
		if vars, err := ParseVars([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, vars)
		}
	}
}
