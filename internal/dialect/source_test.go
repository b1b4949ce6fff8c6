package dialect

import (
	"strings"
	"testing"
)

func listed(entries []Entry) string {
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.Key+"="+e.Value)
	}
	return strings.Join(lines, "\n")
}

// TestTemplates follows the case templates of testdata/dialect.
func TestTemplates(t *testing.T) {
	file := func(name, text string) Template {
		return Source{Name: name, Path: "/t/" + name, Data: []byte("[uwsgi]\n" + text)}.Template()
	}
	around := Templates{
		InheritBefore: []Template{file("ib.ini", "i = %n %d\n")},
		IncludeBefore: []Template{file("b.ini", "b = %n %N %(d)\n")},
		Set:           [][]byte{[]byte("d=1")},
		Inherit:       []Template{file("i.ini", "j = %n %N\n")},
		Include:       []Template{file("t.ini", "c = %n %N\n")},
	}
	for own, want := range map[bool]string{
		false: "inherit=ib.ini\ninclude=b.ini\nb=b  1\nset=d=1\nd=1\nini=v.ini\na=v v 1 b  1\ninherit=i.ini\ninclude=t.ini\nc=t v\ni=ib /t/\nj=i v",
		true:  "inherit=ib.ini\ninclude=b.ini\nb=v v 1\nset=d=1\nd=1\nini=v.ini\na=v v 1 v v 1\ninherit=i.ini\ninclude=t.ini\nc=v v\ni=v /v/\nj=v v",
	} {
		around.VassalMagic = own
		r := New(ofUWSGI, Permissions{})
		r.Load(Source{Name: "v.ini", Path: "/v/v.ini", Data: []byte("[uwsgi]\na = %n %N %(d) %(b)\n")}, around)
		result := r.Finish()
		if got := listed(result.Entries); got != want {
			t.Errorf("with the vassal's own magic %v got:\n%s\nwant:\n%s", own, got, want)
		}
		if len(result.Problems) > 0 {
			t.Error(result.Problems)
		}
	}
}

// TestOptionsComeFromOutside: the reader has no list of options.
func TestOptionsComeFromOutside(t *testing.T) {
	is := func(name string) func(string) bool { return func(key string) bool { return key == name } }
	r := New(Options{Known: is("known"), AtOnce: is("early"), NamesPlugins: is("modules")}, Permissions{})
	r.Load(Source{Name: "v.ini", Path: "/v/v.ini", Data: []byte("[uwsgi]\na = 1\nearly = %(a)\nlate = %(a)\numask = %(a)\nmodules = x,y\nif-plugin = y\nfound = 1\nendif =\nplugins = z\nif-plugin = z\nlost = 1\nendif =\nset-ph = umask=2\nset-ph = known=2\n")}, Templates{})
	result := r.Finish()
	const want = "ini=v.ini\na=1\nearly=%(a)\nlate=1\numask=1\nmodules=x,y\nif-plugin=y\nfound=1\nendif=\nplugins=z\nif-plugin=z\nendif=\nset-ph=umask=2\numask=2\nset-ph=known=2"
	if got := listed(result.Entries); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if len(result.Problems) != 1 || result.Problems[0].Key != "set-ph" {
		t.Errorf("mistakes: %v", result.Problems)
	}
}

// TestPlacesComeFromOutside: the text around a file has the places that the caller gives.
func TestPlacesComeFromOutside(t *testing.T) {
	o := ofUWSGI
	o.Around = Places{Set: "one", Inherit: "two", Include: "three"}
	r := New(o, Permissions{})
	empty := Template{Name: []byte("t.ini"), Path: []byte("/t/t.ini"), Data: []byte{}}
	r.Load(Source{Name: "v.ini", Path: "/v/v.ini"}, Templates{Set: [][]byte{[]byte("a=1")}, Inherit: []Template{empty}, Include: []Template{empty}})
	got := map[string]string{}
	for _, e := range r.Finish().Entries {
		got[e.Key] = e.Origin.File
	}
	for key, want := range map[string]string{"set": "one", "inherit": "two", "include": "three"} {
		if got[key] != want {
			t.Errorf("%s is at %q, want %q", key, got[key], want)
		}
	}
}
