package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// full is an order with a value in most fields.
func full() Order {
	return Order{
		Serial: 7, Name: []byte("a\xff.ini"), Path: []byte("/v/a\xff.ini"), Dir: []byte("/v"), Config: []byte("[uwsgi]\nuid = 1\n"),
		Templates: &Templates{Set: [][]byte{[]byte("a=b")}}, Namespaces: "pid,net", Caged: true, OwnIDs: true, UID: 1, GID: 1 << 31, HookTimeout: time.Minute,
		Hooks: []hooks.Spec{{Phase: "as-vassal", Kind: "exec", Text: "echo <\"x\">", Origin: "e.ini:3"}}, HookVars: [][]byte{[]byte("A=1")}, Shells: []string{"/bin/sh"},
	}
}

// Every field arrives, descriptors do not, and unknown fields are ignored.
func TestFields(t *testing.T) {
	want := full()
	sent := want
	sent.Sockets = []int{3}
	text, err := encode(sent)
	if err != nil || bytes.Contains(text, []byte(`"-"`)) {
		t.Fatalf("%s, %v", text, err)
	}
	if got, err := decodeOrder(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	newer := bytes.Replace(text, []byte("{"), []byte(" {\n\"New\" : {\"a\\\"}\":[1,{}]} , \"-\":[3],\t"), 1)
	if got, err := decodeOrder(newer); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("of a newer program: %+v, %v, want %+v", got, err, want)
	}
}

// Values are the ones of package json, however they are written.
func TestValues(t *testing.T) {
	for _, text := range []string{
		`{"serial":18446744073709551615,"kind":"a\u0041\n","gap":-5,"stop_signal": 9 ,"text":"é\/","addresses":["a,}\"",null],"kind":"last"}`,
		"{\"text\":\"\xff\",\"deaths\":null,\"probe\":{\"address\":\"YQ==\"}}", `{"serial":null,"text":""}`, `{"serial":1.0}`, `{"serial":-1}`, `{"serial":1e3}`,
		`{"stop_signal":9223372036854775808}`, `{"probe":{"address":"Y"}}`, `{"text":5}`, `{"end":[]}`, `{}`,
	} {
		var got, want Notice
		err, fails := decode([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if (err == nil) != (fails == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", text, got, err, want, fails)
		}
	}
}

// A text that is not exactly one object is an error, wherever it ends.
func TestNotAnObject(t *testing.T) {
	text, err := encode(full())
	if err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if _, err := decodeOrder(text[:n]); err == nil {
			t.Errorf("%q is an order", text[:n])
		}
	}
	for _, text := range []string{"[]", "null", "7", `"x"`, "{} {}", "{}x", "{},", `{"Serial":"x"}`, `{"Serial" 1}`, `{1:2}`} {
		if _, err := decodeOrder([]byte(text)); err == nil {
			t.Errorf("%q is an order", text)
		}
	}
}

func BenchmarkOrder(b *testing.B) {
	o := full()
	b.ReportAllocs()
	for b.Loop() {
		text, err := encode(o)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decodeOrder(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNotice(b *testing.B) {
	n := Notice{Serial: 1, Kind: Ready}
	b.ReportAllocs()
	for b.Loop() {
		text, err := encode(n)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decodeNotice(text); err != nil {
			b.Fatal(err)
		}
	}
}
