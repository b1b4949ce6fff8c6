package serving

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMemfdAndBack(t *testing.T) {
	want := &Options{Log: Log{Format: "%(uri)"}, StatsMinified: true, KeepAlive: 3, StaticMaps: []Map{{Mount: "/", Dir: "/srv"}}, Routes: []Route{{Subject: "run", Action: "log", Arg: "x"}}, LimitPost: 7}
	f, err := want.Memfd()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the options can be written")
	}
	for range 2 { // the offset is shared by all that get it
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
	for _, text := range []string{`{"Protect":true}`, `{"Log":{"Protect":true}}`, `{"Routes":[{"Protect":true}]}`, `{"LimitPost":"x"}`, "{"} {
		if o, err := decode(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken as %+v", text, o)
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
		r, err := ParseRoute(subject, text)
		if err == nil && r.Action == "" && subject != "label" {
			t.Errorf("%q %q: no action and no error", subject, text)
		}
	})
}
