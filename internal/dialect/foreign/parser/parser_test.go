package parser

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/problem"
)

// TestMain makes this test binary a parser program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-") {
		if err := foreign.Answer(Parse, os.Args[1], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestAsk: a parser program returns the result of Parse.
func TestAsk(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	for text, format := range map[string]string{
		"uwsgi:\n  a: [1, é]\n  b:\nweb: {c: d}\n":      "yaml",
		"<c><uwsgi id='x'><a>1</a></uwsgi><uwsgi/></c>": "xml",
		"uwsgi:\n  a: b: c\n":                           "yaml",
		"<uwsgi>\n<a></uwsgi>":                          "xml",
		"":                                              "toml",
	} {
		want, wantErr := Parse(format, text)
		got, gotErr := foreign.Ask(self)(format, text)
		if !reflect.DeepEqual(got, want) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Errorf("%q: got %v, %v; want %v, %v", text, got, gotErr, want, wantErr)
		}
		var a, b *problem.Problem
		if wantErr != nil && (!errors.As(gotErr, &a) || !errors.As(wantErr, &b) || *a != *b) {
			t.Errorf("%q: got %#v, want %#v", text, gotErr, wantErr)
		}
	}
	if _, err := foreign.Ask("/nowhere")("yaml", "a: 1"); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("got %v from a program that is not there", err)
	}
}

// TestBounds: nested anchors and deep elements are errors, detected at once.
func TestBounds(t *testing.T) {
	bomb := "a: &a []\n"
	for i := range 25 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	for text, format := range map[string]string{
		bomb: "yaml",
		"uwsgi: " + strings.Repeat("[", 100) + strings.Repeat("]", 100): "yaml",
		strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100):        "xml",
	} {
		var e *problem.Problem
		if _, err := Parse(format, text); !errors.As(err, &e) {
			t.Errorf("%.40q…: got %v", text, err)
		}
	}
}
