package wire

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect"
)

// TestTemplates: names that are not UTF-8 arrive as they are, in the form that older vassals
// read.
func TestTemplates(t *testing.T) {
	file := dialect.Source{Name: "a\xff.ini", Path: "/t/a\xff.ini", Data: []byte("[uwsgi]\n")}.Template()
	want := Templates{InheritBefore: []dialect.Template{file}, Set: [][]byte{[]byte("a=\xfe")}, Include: []dialect.Template{file, file}, VassalMagic: true}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const f = `{"Name":"Yf8uaW5p","Path":"L3QvYf8uaW5p","Data":"W3V3c2dpXQo="}`
	const form = `{"InheritBefore":[` + f + `],"IncludeBefore":null,"Set":["YT3+"],"Inherit":null,"Include":[` + f + `,` + f + `],"VassalMagic":true}`
	if string(text) != form {
		t.Errorf("got %s, want %s", text, form)
	}
	var got Templates
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v: %v", got, want, err)
	}
}
