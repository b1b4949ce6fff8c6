package goprocs

import (
	"os"
	"slices"
	"testing"
)

// TestVassal: a vassal runs on one processor, and its programs get the operator's choice.
func TestVassal(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{[]string{"A=1"}, []string{"A=1", "GOMAXPROCS=1"}},
		{[]string{"GOMAXPROCS=7", "A=1"}, []string{"EMPEROR_GOMAXPROCS=7", "A=1", "GOMAXPROCS=1"}},
	} {
		if got := Vassal(c.given); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	for _, operator := range []string{"", "7"} {
		t.Setenv(key, "1")
		if t.Setenv(kept, operator); operator == "" {
			_ = os.Unsetenv(kept)
		}
		if err := Restore(); err != nil {
			t.Error(err)
		}
		if got, ok := os.LookupEnv(key); got != operator || ok != (operator != "") {
			t.Errorf("%s is %q (%v), want %q", key, got, ok, operator)
		}
		if _, there := os.LookupEnv(kept); there {
			t.Error("the variable that carried it is still there")
		}
	}
}

func TestIdle(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{nil, []string{"GOMAXPROCS=1"}},
		{[]string{"A=1", "GOMAXPROCS=4"}, []string{"A=1", "GOMAXPROCS=4"}},
	} {
		if got := Idle(c.given); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	for value, want := range map[string]bool{"1": true, "4": false} {
		t.Setenv(key, value)
		if got := Started(); got != want {
			t.Errorf("%s: %v", value, got)
		}
		if _, there := os.LookupEnv(key); there == want {
			t.Errorf("%s: the variable is there: %v", value, there)
		}
	}
}
