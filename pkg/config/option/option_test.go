package option

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/problem"
)

type inner struct{ Names []string }

type outer struct {
	On    bool
	Inner inner
	seen  []string
}

var (
	innerRows = Rows[inner]{{Name: "name", Aliases: []string{"call-me"}, Repeat: true, Into: func(i *inner) Field { return (*List)(&i.Names) }}}
	outerRows = Rows[outer]{{Name: "on", Into: func(o *outer) Field { return (*Flag)(&o.On) }}}
	part      = Part[outer, inner]{
		Rows: &innerRows, Tyrant: true, Change: Reload,
		Put: func(o *outer, r *Row[inner], v Value) error {
			o.seen = append(o.seen, r.Name+" "+v.Origin.String())
			return r.Put(&o.Inner, v)
		},
	}
)

func TestAreas(t *testing.T) {
	var o outer
	for _, area := range []Area[outer]{&outerRows, &part} {
		for r := range area.All {
			if found := area.Find(r.Name); found == nil || found.Name != r.Name {
				t.Errorf("%s is not found", r.Name)
			}
			if err := r.Put(&o, Value{Text: "yes", Origin: problem.Origin{File: "a.ini", Line: 7}}); err != nil {
				t.Error(err)
			}
		}
		if area.Find("other") != nil {
			t.Error("there is an option other")
		}
	}
	if want := (outer{On: true, Inner: inner{[]string{"yes"}}, seen: []string{"name a.ini:7"}}); !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, want %+v", o, want)
	}
	if r := part.Find("call-me"); r == nil || r.Name != "name" || !r.Tyrant || r.Change != Reload || !r.Repeat {
		t.Errorf("by its alias: %+v", r)
	}
	if first := slices.Collect(func(yield func(*Row[outer]) bool) { part.All(func(r *Row[outer]) bool { yield(r); return false }) }); len(first) != 1 {
		t.Errorf("%d rows were yielded to who wanted one", len(first))
	}
}

// Looking up a row that is data makes no objects.
func TestRowsCostNothing(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() {
		if outerRows.Find("on") == nil {
			t.Fatal("on is not found")
		}
	}); n != 0 {
		t.Errorf("a lookup makes %v objects", n)
	}
}

func TestFields(t *testing.T) {
	var (
		flag     bool
		text     string
		list     []string
		words    []string
		duration time.Duration
		positive time.Duration
		ms       time.Duration
		number   int
		size     int64
	)
	for _, c := range []struct {
		field       Field
		good, wrong []string
		want        any
	}{
		{(*Flag)(&flag), []string{"no", "Yes"}, nil, true},
		{(*Text)(&text), []string{"a b"}, []string{""}, "a b"},
		{(*List)(&list), []string{"a", "b"}, nil, []string{"a", "b"}},
		{(*Words)(&words), []string{"x", "a 'b c'"}, []string{"", "'"}, []string{"a", "b c"}},
		{(*Duration)(&duration), []string{"0", "90"}, []string{"", "x", "-1", "-1s", "99999999999"}, 90 * time.Second},
		{(*Positive)(&positive), []string{"500ms"}, []string{"0", "0s", "x"}, 500 * time.Millisecond},
		{(*Milliseconds)(&ms), []string{"20"}, []string{"0", "-1", "20ms", ""}, 20 * time.Millisecond},
		{(*Number)(&number), []string{"0", "12"}, []string{"-1", "x", ""}, 12},
		{(*Size)(&size), []string{"1", "2k"}, []string{"", "-1", "2kb", "99999999999g"}, int64(2048)},
	} {
		for _, text := range c.good {
			if err := c.field.Parse(text); err != nil {
				t.Errorf("%T: %q: %v", c.field, text, err)
			}
		}
		if got := reflect.ValueOf(c.field).Elem(); !reflect.DeepEqual(got.Convert(reflect.TypeOf(c.want)).Interface(), c.want) {
			t.Errorf("%T: %v, want %v", c.field, got, c.want)
		}
		for _, text := range c.wrong {
			if err := c.field.Parse(text); err == nil {
				t.Errorf("%T: %q is taken as %v", c.field, text, reflect.ValueOf(c.field).Elem())
			}
		}
	}
}
