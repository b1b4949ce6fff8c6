package control

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// fill gives a value and all that it contains content, except what chance leaves out.
func fill(v reflect.Value, chance *rand.Rand, depth int) {
	texts := []string{"shop.ini", "a \"quoted\" text", `back\slash`, "<b>&amp;</b>", "two\nlines", "ü€\u2028", "\xff broken", "\x7f"}
	if chance.IntN(3) == 0 || depth > 6 || !v.CanSet() {
		return
	}
	if at, is := v.Addr().Interface().(*time.Time); is {
		*at = time.Unix(chance.Int64N(4e9), chance.Int64N(3)*500).UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[chance.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(chance.IntN(200)) - 100)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(chance.IntN(200)))
	case reflect.Float64:
		v.SetFloat(chance.Float64() * 1e7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), chance, depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), chance.IntN(3), 3))
		for i := range v.Len() {
			fill(v.Index(i), chance, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range chance.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, chance, depth+1)
			fill(value, chance, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), chance, depth+1)
		}
	}
}

// TestFieldsAsJSON: a vassal of a list has the same bytes as by encoding/json, whatever it contains.
func TestFieldsAsJSON(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var v Vassal
		fill(reflect.ValueOf(&v).Elem(), chance, 0)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		got, err := appendFields(nil, vassalFields(), &v)
		if err != nil || string(got)+"\n" != want.String() {
			t.Fatalf("%v: %s\nwant %s", err, got, &want)
		}
	}
}

// TestListInPieces: a list of many pieces arrives whole.
func TestListInPieces(t *testing.T) {
	for _, n := range []int{0, 1, 500} {
		sent, got := make([]Vassal, n), List{}
		for i := range sent {
			sent[i].Name, sent[i].State, sent[i].PID = strings.Repeat("v", i), emperor.Running, i
		}
		var b bytes.Buffer
		if err := (&pieces{func(i int) Vassal { return sent[i] }, n, vassalFields()}).writeTo(&b); err != nil {
			t.Fatal(err)
		}
		if err := got.readFrom(json.NewDecoder(&b)); err != nil || got.Vassals == nil || !slices.EqualFunc(got.Vassals, sent, func(a, b Vassal) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("%d vassals: %d arrived, %v", n, len(got.Vassals), err)
		}
	}
}

// TestListThatBreaksOff: half of a list is an error, and so is an answer that is none. Other fields of
// a later emperor are passed over.
func TestListThatBreaksOff(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"vassals":[{"name":"a"}]}`: true, `{"since":{"a":[1]},"vassals":[],"next":2}`: true,
		`{"vassals":[{"name":"a"}`: false, `{"vassals":[{"name":"a"},`: false, `{"vassals":[]`: false, `[]`: false, `{"vassals":{}}`: false, ``: false,
	} {
		if err := new(List).readFrom(json.NewDecoder(strings.NewReader(text))); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestFieldsOfAList: a client gets the fields that it names, and learns which one no vassal has.
func TestFieldsOfAList(t *testing.T) {
	for query, want := range map[string]string{
		"pid,name": "name,pid", "state": "state", "name,nonsense": `fields: a vassal has no "nonsense"`, ",": `fields: a vassal has no ""`,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://emperor"+ListPath(query), nil)
		if err != nil {
			t.Fatal(err)
		}
		fields, err := wanted(r)
		var names []string
		for _, f := range fields {
			names = append(names, f.name)
		}
		got := strings.Join(names, ",")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// BenchmarkList measures encoding and decoding of a list of 1000 vassals.
func BenchmarkList(b *testing.B) {
	list, now, user := make([]Vassal, 1000), time.Now(), uint32(4001)
	for i := range list {
		v := &list[i]
		v.Name, v.Path, v.Monitor, v.Desired, v.State, v.Since = "shop.ini", "/etc/emperor/shop.ini", "/etc/emperor", emperor.Desired("run"), emperor.Running, now
		v.PID, v.Generation, v.Launches, v.Config, v.WantedConfig, v.RunsAs, v.Memory, v.MemoryBy, v.CPU = 4711+i, 3, 3, "0123abcd", "0123abcd", &user, 1<<22, MemoryShared, 0.25
		v.FirstRun, v.LastRun, v.Ready, v.Accepting, v.Loyal, v.Modified, v.UID = now, now, now, now, now, now, user
		v.LaunchSteps = []emperor.LaunchStep{{Name: "clone", Began: now, Ended: now}}
	}
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			_ = json.NewEncoder(new(bytes.Buffer)).Encode(List{list})
		}
	})
	b.Run("pieces", func(b *testing.B) {
		for b.Loop() {
			_ = (&pieces{func(i int) Vassal { return list[i] }, len(list), vassalFields()}).writeTo(new(bytes.Buffer))
		}
	})
}
