package emperor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// The JSON of a record is part of /v1: one object, with these keys in this order. The first object
// is the zero value, the second has a value in each field.
func TestRecordAsJSON(t *testing.T) {
	var got bytes.Buffer
	full := Record{}
	fill(reflect.ValueOf(&full).Elem(), new(int))
	for _, r := range []Record{{}, full} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(bytes.ReplaceAll(text, []byte(`,"`), []byte(",\n\"")), '\n'))
	}
	want, err := os.ReadFile(filepath.Join("testdata", "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got:\n%swant:\n%s", got.Bytes(), want)
	}
}

// fill sets all fields of a record to different values.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 0).UTC()))
	case v.Kind() == reflect.Struct:
		*n-- // groups have no number
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString(string(rune('a' + *n%26)))
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(uint64(*n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
	}
}
