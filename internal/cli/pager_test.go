package cli

import (
	"os/exec"
	"slices"
	"testing"
)

func TestPagerOf(t *testing.T) {
	for _, tt := range []struct {
		environ map[string]string
		want    string
	}{
		{map[string]string{"PAGER": "more", "EMPEROR_PAGER": "less -S"}, "less -S"},
		{map[string]string{"PAGER": "more"}, "more"},
		{map[string]string{"PAGER": "more", "EMPEROR_PAGER": ""}, ""},
		{map[string]string{"PAGER": " cat "}, ""},
	} {
		got := pagerOf(func(name string) (string, bool) { text, set := tt.environ[name]; return text, set })
		if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.environ, got, tt.want)
		}
	}
}

func TestPagerEnviron(t *testing.T) {
	for _, tt := range []struct{ environ, want []string }{
		{[]string{"HOME=/"}, []string{"HOME=/", "LESS=FRX"}},
		{[]string{"LESS=S"}, []string{"LESS=S"}},
		{[]string{"SUDO_UID=4"}, []string{"SUDO_UID=4", "LESS=FRX", "LESSSECURE=1"}},
	} {
		if got := pagerEnviron(tt.environ); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.environ, got, tt.want)
		}
	}
}

// A pager that the shell cannot execute is told apart from one that the operator has left.
func TestMissingPager(t *testing.T) {
	for command, want := range map[string]bool{"exec /no/such": true, "exec /etc": true, "exit 3": false, "kill -9 $$": false, "true": false} {
		if got := missing(exec.Command("sh", "-c", command).Run()); got != want {
			t.Errorf("%s: missing is %v", command, got)
		}
	}
}
