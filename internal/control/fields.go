package control

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// field is a field of Vassal in JSON.
type field struct {
	name  string
	key   string // with its quotes and the colon
	index []int
	omit  func(reflect.Value) bool // whether a value is left out; nil: never
	own   bool                     // its type has an encoding of its own
}

// vassalFields returns the fields in the order in which encoding/json encodes them.
var vassalFields = sync.OnceValue(func() (fields []field) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Vassal]()) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		to := field{name: name, key: strconv.Quote(name) + ":", index: f.Index}
		to.own = reflect.PointerTo(f.Type).Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(f.Type).Implements(reflect.TypeFor[encoding.TextMarshaler]())
		switch options {
		case "omitempty":
			to.omit = empty
		case "omitzero":
			to.omit = reflect.Value.IsZero
			if f.Type.Implements(reflect.TypeFor[interface{ IsZero() bool }]()) {
				to.omit = func(v reflect.Value) bool { return v.Interface().(interface{ IsZero() bool }).IsZero() }
			}
			if f.Type == reflect.TypeFor[time.Time]() {
				to.omit = func(v reflect.Value) bool { return v.Addr().Interface().(*time.Time).IsZero() }
			}
		}
		fields = append(fields, to)
	}
	return fields
})

// empty is omitempty of encoding/json.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// appendFields appends a vassal as encoding/json does without escapes for HTML, in a fraction of the time:
// a list has thousands of them.
func appendFields(b []byte, fields []field, vassal *Vassal) (_ []byte, err error) {
	b = append(b, '{')
	begin := len(b)
	for v, i := reflect.ValueOf(vassal).Elem(), 0; i < len(fields); i++ {
		f := &fields[i]
		value := v.FieldByIndex(f.index)
		if f.omit != nil && f.omit(value) {
			continue
		}
		if len(b) > begin {
			b = append(b, ',')
		}
		if b, err = f.appendValue(append(b, f.key...), value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// appendValue appends a value. Frequent types need no allocation.
func (f *field) appendValue(b []byte, v reflect.Value) ([]byte, error) {
	if !f.own {
		switch v.Kind() {
		case reflect.String:
			if text := v.String(); unescaped(text) {
				return append(append(append(b, '"'), text...), '"'), nil
			}
		case reflect.Int, reflect.Int64:
			return strconv.AppendInt(b, v.Int(), 10), nil
		case reflect.Uint32, reflect.Uint64:
			return strconv.AppendUint(b, v.Uint(), 10), nil
		case reflect.Float64:
			if n := v.Float(); n == 0 || n >= 1e-6 && n < 1e21 { // others have an exponent
				return strconv.AppendFloat(b, n, 'f', -1, 64), nil
			}
		case reflect.Pointer:
			if n, is := v.Interface().(*uint32); is && n != nil {
				return strconv.AppendUint(b, uint64(*n), 10), nil
			}
		}
	}
	if t, is := v.Addr().Interface().(*time.Time); is {
		b, err := t.AppendText(append(b, '"'))
		return append(b, '"'), err
	}
	to := bytes.NewBuffer(b)
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	err := e.Encode(v.Addr().Interface())
	return bytes.TrimSuffix(to.Bytes(), []byte("\n")), err
}

// unescaped reports whether a text in JSON is the same text in quotes.
func unescaped(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
