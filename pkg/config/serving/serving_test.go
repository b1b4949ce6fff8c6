package serving

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
)

func TestMemfdAndBack(t *testing.T) {
	want := &Options{}
	for _, w := range [][2]string{
		{"log-format", "%(uri)"},
		{"stats-minified", "true"},
		{"http-keepalive", "3"},
		{"static-map", "/=/srv"},
		{"route-run", "log:x"},
		{"limit-post", "7"},
		{"https-socket", ":443,c,k"},
		{"cgi", ""},
		{"static-map", "/a=/b\x00protect"},
		{"http-keepalive", "4"},
	} {
		if err := want.Put(Find(w[0]), option.Value{Text: w[1], Origin: problem.Origin{File: "a.ini", Line: 3}}); (err != nil) != (w[1] == "" || strings.Contains(w[1], "\x00")) {
			t.Errorf("%s: %v", w, err)
		}
	}
	f, err := want.Memfd()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the options can be written")
	}
	for range 2 { // all that inherit it share the offset
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(Env, strconv.Itoa(fd))
		got, err := Inherited()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, there := os.LookupEnv(Env); there {
			t.Error("the variable is still there")
		}
	}
	if got, err := Inherited(); got != nil || err != nil {
		t.Errorf("without a variable: %v, %v", got, err)
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"protect\x00true\x00a:1\x00", "limit-post\x00x\x00a:1\x00", "limit-post\x007\x00", "limit-post\x007\x00a:1", "x"} {
		if o, err := decode(text); err == nil {
			t.Errorf("%q is taken as %+v", text, o)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{"^/a(.*) static:/x$1", "log:x", "isfile:/x goto:y", "^/ expires:unix=1,value=2", "basicauth:r,u:p", "( x:"} {
		f.Add("path-info", s)
		f.Add("run", s)
		f.Add("if", s)
	}
	f.Fuzz(func(t *testing.T, subject, text string) {
		r, err := ParseRoute(subject, text, nil)
		if err == nil && r.Action == "" && subject != "label" {
			t.Errorf("%q %q: no action and no error", subject, text)
		}
	})
}
