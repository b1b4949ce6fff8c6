package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// set gives a field content that a table can show.
func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(7 << 20)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(key)
		set(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		switch v.Addr().Interface().(type) {
		case *time.Time:
			v.Set(reflect.ValueOf(time.Now().Add(-time.Hour)))
		case *emperor.Attachment:
			v.Set(reflect.ValueOf(emperor.Attachment{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Published: []string{"8001:8080"}}))
		}
	}
}

// TestListAsksForItsFields: a list of the fields that the emperor is asked for prints the same as one of all
// fields, whichever two of them have content.
func TestListAsksForItsFields(t *testing.T) {
	var fields [][]int
	for _, f := range reflect.VisibleFields(reflect.TypeFor[control.Vassal]()) {
		if !f.Anonymous {
			fields = append(fields, f.Index)
		}
	}
	for i, one := range fields {
		for _, other := range fields[i:] {
			var v control.Vassal
			set(reflect.ValueOf(&v).Elem().FieldByIndex(one))
			set(reflect.ValueOf(&v).Elem().FieldByIndex(other))
			for _, form := range []string{"table", "wide", "name"} {
				l := &listing{form: form, sort: "name"}
				if got, want := listedAs(t, l, sent(t, v, l.fields())), listedAs(t, l, v); got != want {
					t.Errorf("with %v and %v the form %s is\n%swant\n%s", one, other, form, got, want)
				}
			}
		}
	}
}

// sent returns a vassal as it arrives with some fields.
func sent(t *testing.T, v control.Vassal, fields []string) (arrived control.Vassal) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(fields, name) })
	if text, err = json.Marshal(all); err == nil {
		err = json.Unmarshal(text, &arrived)
	}
	if err != nil {
		t.Fatal(err)
	}
	return arrived
}

// listedAs returns the list of one vassal, and all keys by which it can be ordered and chosen.
func listedAs(t *testing.T, l *listing, v control.Vassal) string {
	t.Helper()
	text, err := l.text([]control.Vassal{v})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range listKeys() {
		if listOrders[key](&v, &control.Vassal{}) != 0 {
			text += "ordered by " + key + "\n"
		}
	}
	return text + fmt.Sprint(v.State, v.UID) // options choose by them
}
