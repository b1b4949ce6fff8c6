package assist

import (
	"context"
	"regexp"
	"testing"
)

var expressions = map[string]bool{
	`\.(jpg|png)$`: true, `^/static/.*`: true, `[a-z0-9_.-]+`: true, `(a*?b)+`: true, `^$`: true, ``: true, `[^/]+/\d+`: true, `[\w.-]*`: true, `()`: true,
	`(a`: false, `a)`: false, `*`: false, `a**`: false, `[z-a]`: false, `[a`: false, `\`: false, `a|*`: false, `(?i)a`: false, `a{2}`: false, `\pL`: false,
	"\xff": false, `[[:alpha:]]`: false, `[]a]`: false, `a??*`: false, `[\d-z]`: false, `[a-\d]`: false,
}

// Expressions that are accepted without package regexp are correct, and common ones are accepted.
func TestPlain(t *testing.T) {
	for text, want := range expressions {
		if plain(text) != want {
			t.Errorf("plain(%q) is %v", text, !want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for text := range expressions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !plain(text) {
			return
		}
		if _, err := regexp.Compile(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// An expression that is not plain is checked by the program, once.
func TestCheck(t *testing.T) {
	asked := 0
	m := Means{Match: func(_ context.Context, expression, text string) (bool, error) {
		asked++
		return regexp.MatchString(expression, text)
	}}
	for text, want := range map[string]bool{"a+": true, "a{2}": true, "(": false, "(?=a)": false} {
		if err := m.Check(t.Context(), text); (err == nil) != want {
			t.Errorf("Check(%q) is %v", text, err)
		}
	}
	if asked != 3 {
		t.Errorf("the program was asked %d times", asked)
	}
}
