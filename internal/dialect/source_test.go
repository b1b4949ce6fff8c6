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
	file := func(name, text string) Source {
		return Source{Name: name, Path: "/t/" + name, Data: []byte("[uwsgi]\n" + text)}
	}
	around := Templates{
		InheritBefore: []Source{file("ib.ini", "i = %n %d\n")},
		IncludeBefore: []Source{file("b.ini", "b = %n %N %(d)\n")},
		Set:           []string{"d=1"},
		Inherit:       []Source{file("i.ini", "j = %n %N\n")},
		Include:       []Source{file("t.ini", "c = %n %N\n")},
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
